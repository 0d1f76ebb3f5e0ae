package plan

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// gateOff makes the pod one that was just taken out of service, and that the kubelet still reports ready.
func gateOff(pod *corev1.Pod) {
	testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, testpods.Start())(pod)
}

func TestTellsWhatASlowPodWaitsFor(t *testing.T) {
	tests := map[string]struct {
		pod     func(*testing.T) *corev1.Pod
		serving bool
		reason  string
		text    string
	}{
		"the kubelet": {func(*testing.T) *corev1.Pod { return old("a", gateOff) }, true, appsv1beta1.NoteDraining, "the kubelet to report it not ready"},
		"an endpoint": {
			func(*testing.T) *corev1.Pod { return drainedOld("a") }, true, appsv1beta1.NoteDraining,
			"the EndpointSlices of Service web to say that it is not serving",
		},
		"a restart": {func(t *testing.T) *corev1.Pod { return patchedTo(t, "a") }, false, appsv1beta1.NoteRestarting, "the kubelet to run the new image of web"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := tt.pod(t)
			in := inputOf(cloneSet(2), pod, old("b"))
			in.Sightings[pod.UID] = in.Sightings[pod.UID].SeeDrained(!tt.serving, true, testpods.Start())
			in.Endpoints = serviceOf("web", map[bool]string{true: "a b", false: "-a b"}[tt.serving])
			in.Now = testpods.Start().Add(slow - time.Second)
			if p := Compute(in); len(p.Status.PodNotes) > 0 || p.Wake != time.Second {
				t.Errorf("before its time: notes %+v, wake %s", p.Status.PodNotes, p.Wake)
			}
			in.Now = testpods.Start().Add(slow)
			notes := Compute(in).Status.PodNotes
			if len(notes) != 1 || notes[0].Reason != tt.reason || !strings.Contains(notes[0].Message, tt.text) ||
				!strings.Contains(notes[0].Message, "2026-03-01T12:00:00Z") {
				t.Errorf("got notes %+v", notes)
			}
		})
	}
}

// What the pods wait for is told with the deadline, too.
func TestDeadlineTellsWhatIsWaitedFor(t *testing.T) {
	in := inputOf(standing(time.Hour), drainedOld("a"), old("b"))
	in.Sightings[in.Pods[0].UID] = in.Sightings[in.Pods[0].UID].SeeDrained(false, true, now())
	in.Endpoints = serviceOf("web", "a b")
	p := Compute(in)
	reason, _ := progressOf(p)
	message := meta.FindStatusCondition(p.Status.Conditions, appsv1beta1.ConditionProgressing).Message
	if reason != appsv1beta1.ReasonProgressDeadlineExceeded || !strings.Contains(message, "; a waits for the EndpointSlices of Service web") {
		t.Errorf("got %s: %s", reason, message)
	}
}
