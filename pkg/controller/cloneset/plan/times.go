package plan

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// tellTimes reports how long updates took. That is worth no write for each pod: it goes with what else there is to report,
// and by itself only when nothing more is to come.
func (p *planner) tellTimes(status *appsv1beta1.CloneSetStatus) {
	before, times := &p.in.Set.Status, p.in.UpdateTimes
	status.UpdateTimes = before.UpdateTimes
	if times == nil || equality.Semantic.DeepEqual(before.UpdateTimes, times) {
		return
	}
	more := len(p.actions) > 0 || p.in.MoreUpdates || meta.IsStatusConditionTrue(status.Conditions, appsv1beta1.ConditionReconciling)
	if !more || !equality.Semantic.DeepEqual(before, status) {
		status.UpdateTimes = times
	}
}
