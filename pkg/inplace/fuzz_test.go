package inplace_test

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// FuzzCompare compares any two templates. What can be changed in place leaves nothing but images, labels and annotations.
func FuzzCompare(f *testing.F) {
	f.Add(`{"spec":{"containers":[{"name":"web","image":"a"}]}}`, `{"spec":{"containers":[{"name":"web","image":"b"}]}}`)
	f.Add(`{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"annotations":{"a":"b"}},"spec":{"initContainers":[{}]}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var old, next corev1.PodTemplateSpec
		if json.Unmarshal([]byte(a), &old) != nil || json.Unmarshal([]byte(b), &next) != nil {
			return // It is no template.
		}
		if same := inplace.Compare(&old, &old); !same.InPlace() || len(same.Images)+len(same.Labels)+len(same.Annotations) > 0 {
			t.Errorf("a template differs from itself: %+v", same)
		}
		change := inplace.Compare(&old, &next)
		if !change.InPlace() {
			return
		}
		made := old.DeepCopy()
		for i := range made.Spec.Containers {
			made.Spec.Containers[i].Image = next.Spec.Containers[i].Image
		}
		for i := range made.Spec.InitContainers {
			made.Spec.InitContainers[i].Image = next.Spec.InitContainers[i].Image
		}
		if !equality.Semantic.DeepEqual(made.Spec, next.Spec) {
			t.Errorf("more than images differs, which is to be changed in place: %s and %s", a, b)
		}
	})
}

// FuzzProgress has a pod whose state and status may be anything be patched to the end.
func FuzzProgress(f *testing.F) {
	f.Add(`{"version":1,"generation":2,"records":[{"name":"web","image":"web:1"}]}`, "", int64(1), int64(2), int64(2), byte(0), "web:1", "x@sha256:1", "cri://web-1", int64(0))
	f.Add(`{"version":1,"generation":2,"inService":true,"records":[{"name":"web"}],"pending":["log","log","x"]}`, " at generation 7", int64(0), int64(2), int64(0), byte(1), "web:2", "", "", int64(-1))
	f.Add(`{"version":1,"generation":1,"records":[{"name":"proxy","image":"proxy:1","done":true}],"pending":["proxy"]}`, " at generation x", int64(9), int64(1), int64(3), byte(2), "", "sha256:1", "cri://1", int64(1)<<62)
	f.Fuzz(func(t *testing.T, state, message string, noted, generation, observed int64, gate byte, image, imageID, id string, at int64) {
		pod := fuzzed(state, message, noted, max(generation, 1), observed, gate, image, imageID, id)
		now := testpods.Start().Add(time.Duration(at))
		var seen *inplace.Sighting
		seen = seen.See(pod, now).SeeDrained(true, true, now).See(pod, now.Add(-time.Hour))
		look(t, pod, seen, now)
		patchToTheEnd(t, pod, seen, now)
	})
}

func fuzzed(
	state, message string, noted, generation, observed int64, gate byte, image, imageID, id string,
) *corev1.Pod {
	pod := testpods.New("web-a", testpods.Init("setup", "setup:1"), testpods.Sidecar("proxy", "proxy:1"),
		testpods.Container("web", "web:1"), testpods.Container("log", "log:1"))
	pod.Generation, pod.Status.ObservedGeneration = generation, observed
	pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: state}
	pod.Spec.Containers[0].Image = image
	status := testpods.Status(pod, "web")
	status.ImageID, status.ContainerID = imageID, id
	if gate < 3 {
		testpods.Condition(corev1.PodReady, corev1.ConditionTrue, testpods.Start())(pod)
		testpods.Condition(appsv1beta1.InPlaceUpdateReady,
			[]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown}[gate], testpods.Start())(pod)
		condition := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
		condition.Message, condition.ObservedGeneration = message, noted
	}
	return pod
}

// look asks all that there is to be asked of a pod. No wait is longer than it can be.
func look(t *testing.T, pod *corev1.Pod, seen *inplace.Sighting, now time.Time) inplace.Progress {
	t.Helper()
	none := func(string) []string { return nil }
	progress := inplace.ProgressOf(pod, seen, none, now)
	if progress.Wait < 0 || progress.Wait > settling {
		t.Errorf("a wait of %s", progress.Wait)
	}
	for _, until := range []corev1.PodConditionType{"", corev1.PodReady} {
		rules := inplace.DrainRules{Grace: time.Minute, Until: until, Timeout: time.Hour}
		if left, _ := inplace.DrainLeft(pod, seen, rules, now); left < 0 || left > time.Hour+time.Minute || (until == "" && left > time.Minute) {
			t.Errorf("a drain of %s until %q", left, until)
		}
	}
	if left := inplace.CrashedLeft(pod, now); left < 0 || left > 10*time.Second {
		t.Errorf("a crash remembered for %s", left)
	}
	lookAtStarts(t, pod, now)
	inplace.KnownDigests([]*corev1.Pod{pod})
	inplace.Trouble(pod, seen)
	inplace.HasCrashed(pod)
	inplace.IsOpen(pod)
	return progress
}

func lookAtStarts(t *testing.T, pod *corev1.Pod, now time.Time) {
	t.Helper()
	if left := inplace.StartedLeft(pod, time.Minute, now); left < 0 || left > time.Minute {
		t.Errorf("a start remembered for %s", left)
	}
}

// patchToTheEnd patches the pod to other images until nothing is pending, with a kubelet that does all at once.
func patchToTheEnd(t *testing.T, pod *corev1.Pod, seen *inplace.Sighting, now time.Time) {
	t.Helper()
	target := inplace.Target{
		Revision: "web-b", Template: &corev1.PodTemplateSpec{Spec: *pod.Spec.DeepCopy()},
		Rules: inplace.Rules{"web": {Priority: 1}, "proxy": {Priority: -1}},
	}
	for i := range target.Template.Spec.Containers {
		target.Template.Spec.Containers[i].Image += "-next"
	}
	change := inplace.Compare(&corev1.PodTemplateSpec{Spec: pod.Spec}, target.Template)
	for round := 0; round == 0 || len(look(t, pod, seen, now).Pending) > 0; round++ {
		if round == 6 {
			t.Fatalf("still pending: %s", pod.Annotations[appsv1beta1.InPlaceStateAnnotation])
		}
		patched, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, change, look(t, pod, seen, now)))
		if err != nil {
			t.Fatal(err)
		}
		if size := len(patched.Annotations[appsv1beta1.InPlaceStateAnnotation]); round > 0 && size > 40_000 {
			t.Fatalf("the state has %d bytes", size)
		}
		pod, change = patched, inplace.Change{}
		for _, name := range []string{"web", "log", "proxy"} {
			testpods.Run(pod, name, round+100, "any")
		}
		testpods.Observe(pod)
		seen, now = seen.See(pod, now), now.Add(time.Minute)
	}
	if _, err := testpods.Patched(pod, inplace.ConfirmPatch(pod)); err != nil {
		t.Error(err)
	}
}
