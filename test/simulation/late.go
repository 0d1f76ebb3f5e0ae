package simulation

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// late is a controller that has lost its lease and does not know: it performs the rest of a plan, by caches that nothing
// reaches any more, while its successor is at work. It makes no further plan: a manager that cannot renew its lease ends
// before another one can have it, and only what is on its way to the API server, or a process that stood still, is late.
type late struct {
	// pending tells that the next plan is the one during which the lease is lost.
	pending bool
	// made are the names of pods that were made late. Such a name may be that of a pod which has come and gone since, and
	// whose claim is still to be collected: it is deleted under the new pod, with what that one wrote.
	made map[string]bool
	// owners are the claims that were made late, and whom for. Where that is a pod which is gone, one of the same name that
	// the successor has made starts with the claim, until it is collected: nothing tells the successor before it is there.
	owners map[string]types.UID
}

// madeForAnother tells whether a claim was made late, for another pod than the one that uses it now.
func (l *late) madeForAnother(claim *corev1.PersistentVolumeClaim, pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(claim)
	made, ok := l.owners[claim.Name]
	return ok && owner != nil && owner.UID == made && made != pod.UID
}

// handOver has the successor start in the middle of a plan.
func (r *run) handOver(check *checker, in *plan.Input, p *plan.Plan) {
	r.late.pending = false
	first := r.rng.IntN(len(p.Actions) + 1)
	old := r.manager
	if !old.apply(p.Actions[:first], check) {
		r.note("the manager dies")
		r.restart()
		return
	}
	check.status(&p.Status)
	rest := p.Actions[first:]
	for i := range rest {
		check.action(&rest[i]) // The plan as a whole keeps to its budget, whoever performs it.
	}
	r.note("another manager takes over; %d writes are late", len(rest))
	r.restart()
	check.late = true
	for i := range rest {
		r.world.After(time.Duration(r.rng.IntN(4000))*time.Millisecond, func() {
			r.note("late: %s", &rest[i])
			switch rest[i].Kind {
			case plan.CreatePod:
				r.late.made[rest[i].Pod.Name] = true
			case plan.CreateClaim:
				if owner := metav1.GetControllerOfNoCopy(rest[i].Claim); owner != nil {
					r.late.owners[rest[i].Claim.Name] = owner.UID
				}
			}
			check.action(&rest[i])
			check.done(&rest[i], old.do(&rest[i]))
		})
	}
	r.world.After(time.Duration(r.rng.IntN(4000))*time.Millisecond, func() { old.report(in.Set, &p.Status) })
}
