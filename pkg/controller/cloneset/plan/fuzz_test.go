package plan

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/randfill"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// FuzzCompute plans for CloneSets, pods and templates that no API server would let pass. There is to be no panic, and
// no action on behalf of a spec that contradicts itself.
func FuzzCompute(f *testing.F) {
	f.Add([]byte{}, true)
	for seed := range 24 {
		data := make([]byte, 4096)
		for i := range data {
			data[i] = byte((i*i + 31*i*seed + seed) >> (seed % 8))
		}
		f.Add(data, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, mend bool) {
		in := arbitrary(data)
		if mend {
			mended(&in)
		}
		p := Compute(in)
		if len(Validate(in.Set)) > 0 && len(p.Actions) > 0 {
			t.Errorf("an invalid spec gives %v", deeds(p))
		}
		if mend && in.Set.DeletionTimestamp == nil && len(Validate(in.Set)) > 0 {
			t.Errorf("the mended spec is invalid: %v", Validate(in.Set))
		}
		if repeated := Compute(in); fmt.Sprint(deeds(repeated)) != fmt.Sprint(deeds(p)) {
			t.Errorf("the same input gives %v, and then %v", deeds(p), deeds(repeated))
		}
	})
}

// arbitrary makes an input of bytes.
func arbitrary(data []byte) Input {
	filler := randfill.NewFromGoFuzz(data).NilChance(0.4).NumElements(0, 3).MaxDepth(12)
	in := inputOf(cloneSet(3))
	filler.Fill(in.Set)
	var before, template corev1.PodTemplateSpec
	filler.Fill(&before)
	filler.Fill(&template)
	in.Revisions = Revisions{
		Update: Revision{Name: revisionB, Template: &template}, Current: Revision{Name: revisionA, Template: &before},
		Templates: map[string]*corev1.PodTemplateSpec{revisionA: &before, revisionB: &template},
		History:   revisionsNamed(revisionA, revisionB, "web-idle"),
	}
	for i := range 4 {
		pod := &corev1.Pod{}
		filler.Fill(pod)
		pod.Name, pod.UID = fmt.Sprintf("web-%d", i), types.UID(fmt.Sprint(i))
		in.Pods = append(in.Pods, pod)
		in.Sightings[pod.UID] = in.Sightings[pod.UID].See(pod, in.Now).SeeDrained(i%2 == 0, true, in.Now)
	}
	for i := range 2 {
		pod := &corev1.Pod{}
		filler.Fill(pod)
		pod.Name, pod.UID = fmt.Sprintf("web-rehearsal-%d", i), types.UID(fmt.Sprint("rehearsal-", i))
		in.Rehearsals = append(in.Rehearsals, pod)
	}
	return in
}

// mended makes the spec valid and the pods ones of the CloneSet in an update, so that the fuzzing gets beyond the
// validation; everything else stays arbitrary.
func mended(in *Input) {
	plain := cloneSet(3)
	in.Set.DeletionTimestamp, in.Set.Name = nil, plain.Name
	in.Set.Spec.Selector, in.Set.Spec.Template = plain.Spec.Selector, plain.Spec.Template
	in.Set.Spec.Replicas, in.Set.Spec.MinReadySeconds = plain.Spec.Replicas, max(in.Set.Spec.MinReadySeconds, 0)
	in.Set.Spec.RevisionHistoryLimit = nil
	rolling := &in.Set.Spec.UpdateStrategy.RollingUpdate
	rolling.Partition, rolling.MaxUnavailable = nil, plain.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable
	rolling.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32(0))
	mendStrategies(in.Set)
	for i, pod := range in.Pods {
		pod.DeletionTimestamp, pod.Status.Phase = nil, corev1.PodRunning
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels["app"], pod.Labels[appsv1beta1.RevisionLabel] = "web", []string{revisionA, revisionB}[i%2]
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: appsv1beta1.InPlaceUpdateReady}}
		if i < 3 {
			gate := []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionFalse}[i]
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: appsv1beta1.InPlaceUpdateReady, Status: gate,
			})
		}
		in.Sightings[pod.UID] = (*inplace.Sighting)(nil).See(pod, in.Now).SeeDrained(true, true, in.Now)
	}
	if len(in.Set.Status.Conditions) == 1 {
		in.Revisions.History[1].Annotations = map[string]string{appsv1beta1.FailureAnnotation: in.Set.Status.LabelSelector + "{"}
	}
	for i, pod := range in.Rehearsals {
		pod.DeletionTimestamp, pod.Spec.NodeName = nil, in.Pods[i].Spec.NodeName
		pod.Labels = map[string]string{appsv1beta1.RehearsalLabel: revisionB}
	}
}
