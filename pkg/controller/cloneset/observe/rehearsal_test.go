package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// rehearsal makes the pod one that pulls images.
func rehearsal(pod *corev1.Pod) {
	pod.Labels[appsv1beta1.ManagedLabel] = appsv1beta1.ManagedLabelRehearsal
	pod.Labels[appsv1beta1.RehearsalLabel] = "web-b"
	pod.Status.StartTime = new(metav1.NewTime(testpods.Start()))
	pod.Status.Reason, pod.Status.Message = "OutOfpods", "too many pods"
}

func TestRehearsalsAreNoPodsOfTheCloneSet(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Pods, testpods.New("a", owned))
	add(t, o.Stores.Pods, testpods.New("b", owned, rehearsal))
	add(t, o.Stores.Pods, testpods.New("c", rehearsal))
	o.Tracker.SeeRefusal(setUID, &plan.Refusal{Message: "quota"})
	in := observe(t, o)
	if diff := cmp.Diff(map[string]bool{"a": true}, podNames(in)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if len(in.Rehearsals) != 1 || in.Rehearsals[0].Name != "b" || in.Refusal.Message != "quota" {
		t.Errorf("got %v, %v", in.Rehearsals, in.Refusal)
	}
	if len(o.Stores.Orphans(metav1.NamespaceDefault)) != 0 {
		t.Error("one that nobody owns is to be adopted")
	}
}

func TestRehearsalKeepsWhyItEnded(t *testing.T) {
	pod := TrimPod(testpods.New("a", rehearsal))
	if pod.Status.Reason == "" || pod.Status.Message == "" || pod.Status.StartTime == nil {
		t.Errorf("got %+v", pod.Status)
	}
	if other := TrimPod(testpods.New("a", rehearsal, testpods.Label(appsv1beta1.ManagedLabel, "true"))); other.Status.Message != "" {
		t.Errorf("got %+v", other.Status)
	}
}

func TestRehearsalThatIsThereAlready(t *testing.T) {
	pod := testpods.New("a", owned, rehearsal)
	pod.ResourceVersion = "7"
	o := newObserver(t, pod)
	if rv, err := o.Identify(t.Context(), cloneSet(), "a"); err != nil || rv != "7" {
		t.Errorf("got %q, %v", rv, err)
	}
	if len(observe(t, o).Pods) != 0 {
		t.Error("it is looked for as a pod that has lost its label")
	}
}
