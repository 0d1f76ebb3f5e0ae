package plan

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func TestNewPod(t *testing.T) {
	template := templateOf("app:b")
	template.Annotations = map[string]string{"note": "one"}
	template.Finalizers = []string{"example.com/hold"}
	template.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/other"}}
	before := template.DeepCopy()
	got := NewPod(cloneSet(1), Revision{Name: revisionB, Template: template}, "web-x")
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-x", Namespace: metav1.NamespaceDefault,
			Labels: map[string]string{
				"app": "web", appsv1beta1.ManagedLabel: "true", appsv1beta1.RevisionLabel: revisionB,
			},
			Annotations: map[string]string{"note": "one"},
			Finalizers:  []string{"example.com/hold"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps.insitu.dev/v1beta1", Kind: "CloneSet", Name: "web", UID: "uid-web",
				Controller: new(true), BlockOwnerDeletion: new(true),
			}},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "web", Image: "app:b"}},
			ReadinessGates: []corev1.PodReadinessGate{
				{ConditionType: "example.com/other"}, {ConditionType: appsv1beta1.InPlaceUpdateReady},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, template); diff != "" {
		t.Errorf("the template changed:\n%s", diff)
	}
}

func TestNewPodHasTheGateOnce(t *testing.T) {
	template := templateOf("app:b")
	template.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: appsv1beta1.InPlaceUpdateReady}}
	pod := NewPod(cloneSet(1), Revision{Name: revisionB, Template: template}, "web-x")
	if got := len(pod.Spec.ReadinessGates); got != 1 {
		t.Errorf("got %d gates", got)
	}
}

func names(p Plan) []string {
	var all []string
	for _, a := range p.Actions {
		all = append(all, a.Pod.Name)
	}
	return all
}

func TestNamesOfNewPods(t *testing.T) {
	first := names(Compute(inputOf(cloneSet(3))))
	if diff := cmp.Diff(first, names(Compute(inputOf(cloneSet(3))))); diff != "" {
		t.Errorf("tried again, other names are chosen, and pods made twice:\n%s", diff)
	}
	form := regexp.MustCompile(`^web-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	for i, name := range first {
		if !form.MatchString(name) {
			t.Errorf("got name %s", name)
		}
		for _, other := range first[:i] {
			if other == name {
				t.Errorf("name %s is given twice", name)
			}
		}
	}
	other := cloneSet(3)
	other.UID = "uid-of-its-successor"
	if got := names(Compute(inputOf(other)))[0]; got == first[0] {
		t.Errorf("a CloneSet made anew uses the name %s again", got)
	}
}

func TestNamesInUseAreNotGiven(t *testing.T) {
	empty := inputOf(cloneSet(4))
	first := freshNames(&empty, nil, 5)
	in := inputOf(cloneSet(2), updated(first[0]), updated(first[1], terminating))
	in.Taken = map[string]bool{first[2]: true}
	in.Resting = map[string]bool{first[3]: true}
	if got := names(Compute(in)); len(got) != 1 || got[0] != first[4] {
		t.Errorf("got %v, want the first free one, %s", got, first[4])
	}
}

func TestHistoryIsTrimmed(t *testing.T) {
	input := func(limit *int32) Input {
		in := inputOf(cloneSet(2), updated("a"), podAt("web-used", "app:1", "b", terminating))
		in.Set.Spec.RevisionHistoryLimit = limit
		in.Revisions.History = revisionsNamed("web-2", "web-1", "web-used", revisionA, "web-3", revisionB)
		in.Revisions.History[0].Revision, in.Revisions.History[1].Revision = 2, 1
		return in
	}
	trims := func(p Plan) []string {
		var all []string
		for _, text := range deeds(p) {
			if text[:len(DeleteRevision)] == string(DeleteRevision) {
				all = append(all, text)
			}
		}
		return all
	}
	tests := map[string]struct {
		limit *int32
		want  []string
	}{
		"by default to 10": {nil, nil},
		"the oldest first": {new(int32(2)), []string{"DeleteRevision web-1"}},
		"all that are idle, none that is in use": {
			new(int32(0)), []string{"DeleteRevision web-1", "DeleteRevision web-2", "DeleteRevision web-3"},
		},
		"to more than there are": {new(int32(2147483647)), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, trims(Compute(input(tt.limit)))); diff != "" {
				t.Errorf("revisions (-want +got):\n%s", diff)
			}
		})
	}
	in := input(new(int32(2)))
	in.Revisions.History[1].DeletionTimestamp = new(metav1.NewTime(now()))
	if got := trims(Compute(in)); got != nil {
		t.Errorf("one that is being deleted counts: %v", got)
	}
}
