package inplace_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// equalJSON compares a patch with JSON text, whatever the order of keys.
func equalJSON(t *testing.T, want string, got []byte) {
	t.Helper()
	var wanted, gotten any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if err := json.Unmarshal(got, &gotten); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if diff := cmp.Diff(wanted, gotten); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func mustPatch(t *testing.T, pod *corev1.Pod, patch []byte) *corev1.Pod {
	t.Helper()
	patched, err := testpods.Patched(pod, patch)
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func TestDrainPatch(t *testing.T) {
	pod := testpods.New("web-a", testpods.Generation(4), testpods.Container("web", "app:a"), testpods.Serving())
	equalJSON(t, `{
		"metadata": {"uid": "uid-web-a"},
		"status": {"conditions": [{
			"type": "InPlaceUpdateReady", "status": "False", "reason": "Draining", "observedGeneration": 4,
			"lastProbeTime": null, "lastTransitionTime": "2026-03-01T12:01:00Z",
			"message": "taken out of service for an in-place update to web-b at generation 4"
		}]}
	}`, inplace.DrainPatch(pod, "for an in-place update to web-b", "", testpods.Start().Add(time.Minute)))
}

// A state that is ahead of its pod would be taken for that of a patch after the drain.
func TestDrainSetsAStateThatIsAheadRight(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.serve()
	r.kubelet(func(pod *corev1.Pod) {
		pod.Annotations = map[string]string{
			appsv1beta1.InPlaceStateAnnotation: fmt.Sprintf(`{"version":1,"revision":"b","generation":%d}`, pod.Generation+1),
		}
	})
	r.drain()
	r.expect(inplace.PhaseDraining)
	if state := inplace.ReadState(r.pod); state == nil || state.Generation != r.pod.Generation {
		t.Errorf("the state is %+v, of a pod of generation %d", state, r.pod.Generation)
	}
}

func TestServePatch(t *testing.T) {
	pod := testpods.New("web-a", testpods.Generation(5), testpods.Container("web", "app:a"))
	equalJSON(t, `{
		"metadata": {"uid": "uid-web-a"},
		"status": {"conditions": [{
			"type": "InPlaceUpdateReady", "status": "True", "reason": "InService", "observedGeneration": 5,
			"lastProbeTime": null, "lastTransitionTime": "2026-03-01T12:00:00Z", "message": "may be sent traffic at generation 5"
		}]}
	}`, inplace.ServePatch(pod, testpods.Start()))
}

func TestGatePatchesChangeTheirConditionOnly(t *testing.T) {
	now := testpods.Start().Add(time.Minute)
	pod := testpods.New("web-a", testpods.Container("web", "app:a"), testpods.Serving(),
		testpods.Condition("example.com/other", corev1.ConditionTrue, testpods.Start()))
	drained := mustPatch(t, pod, inplace.DrainPatch(pod, "for an in-place update to web-b", "", now))
	want := pod.DeepCopy()
	want.ResourceVersion = "101"
	*inplace.Condition(want, appsv1beta1.InPlaceUpdateReady) = corev1.PodCondition{
		Type: appsv1beta1.InPlaceUpdateReady, Status: corev1.ConditionFalse, ObservedGeneration: 1,
		LastTransitionTime: metav1.NewTime(now), Reason: appsv1beta1.GateReasonDraining,
		Message: "taken out of service for an in-place update to web-b at generation 1",
	}
	if diff := cmp.Diff(want, drained); diff != "" {
		t.Errorf("drained (-want +got):\n%s", diff)
	}
	served := mustPatch(t, drained, inplace.ServePatch(drained, now))
	want.ResourceVersion = "102"
	gate := inplace.Condition(want, appsv1beta1.InPlaceUpdateReady)
	gate.Status, gate.Reason, gate.Message = corev1.ConditionTrue, appsv1beta1.GateReasonInService, "may be sent traffic at generation 1"
	if diff := cmp.Diff(want, served); diff != "" {
		t.Errorf("back in service (-want +got):\n%s", diff)
	}
}

// updatePatch returns the patch that brings a pod from one template to another.
func updatePatch(pod *corev1.Pod, from, to *corev1.PodTemplateSpec, unconfirmed ...string) []byte {
	return inplace.UpdatePatch(pod, inplace.Target{Revision: "web-b", Template: to}, inplace.Compare(from, to), inplace.Progress{Unconfirmed: unconfirmed})
}

// podOf returns a pod of the template.
func podOf(t *corev1.PodTemplateSpec) *corev1.Pod {
	options := []testpods.Option{
		testpods.Init("setup", "setup:1"), testpods.Sidecar("proxy", "proxy:1"),
		testpods.Container("web", "web:1"), testpods.Container("log", "log:1"),
		testpods.Generation(7), testpods.Revision("web-a"),
	}
	for key, value := range t.Labels {
		options = append(options, testpods.Label(key, value))
	}
	pod := testpods.New("web-a", options...)
	pod.Annotations = map[string]string{"note": "one", "example.com/others": "kept"}
	return pod
}

func TestUpdatePatch(t *testing.T) {
	tests := map[string]struct {
		edit func(*corev1.PodTemplateSpec)
		want string
	}{
		"labels and annotations: no resourceVersion, no state": {
			func(t *corev1.PodTemplateSpec) {
				t.Labels = map[string]string{"app": "web", "team": "core"}
				t.Annotations = map[string]string{"note": "two"}
			},
			`{"metadata": {"uid": "uid-web-a", "annotations": {"note": "two"},
				"labels": {"controller-revision-hash": "web-b", "team": "core", "tier": null}}}`,
		},
		"nothing but the revision": {
			func(*corev1.PodTemplateSpec) {},
			`{"metadata": {"uid": "uid-web-a", "labels": {"controller-revision-hash": "web-b"}}}`,
		},
		"ordinary init container: nothing to be waited for": {
			func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[0].Image = "setup:2" },
			`{"metadata": {"uid": "uid-web-a", "labels": {"controller-revision-hash": "web-b"}},
				"spec": {"initContainers": [{"name": "setup", "image": "setup:2"}]}}`,
		},
		"container and sidecar": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers[0].Image, t.Spec.InitContainers[1].Image = "web:2", "proxy:2"
			},
			`{"metadata": {"uid": "uid-web-a", "resourceVersion": "100", "labels": {"controller-revision-hash": "web-b"},
				"annotations": {"apps.insitu.dev/inplace-state": "STATE"}},
				"spec": {"initContainers": [{"name": "proxy", "image": "proxy:2"}], "containers": [{"name": "web", "image": "web:2"}]}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := podOf(template())
			patch := updatePatch(pod, template(), edited(tt.edit))
			equalJSON(t, tt.want, withoutState(t, patch))
			mustPatch(t, pod, patch)
		})
	}
}

// withoutState replaces the text of the state, which other tests look at, by STATE.
func withoutState(t *testing.T, patch []byte) []byte {
	t.Helper()
	var decoded map[string]map[string]any
	if err := json.Unmarshal(patch, &decoded); err != nil {
		t.Fatal(err)
	}
	if annotations, ok := decoded["metadata"]["annotations"].(map[string]any); ok && annotations[appsv1beta1.InPlaceStateAnnotation] != nil {
		annotations[appsv1beta1.InPlaceStateAnnotation] = "STATE"
	}
	stripped, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	return stripped
}

func TestUpdatedPod(t *testing.T) {
	pod := podOf(template())
	updated := mustPatch(t, pod, updatePatch(pod, template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Labels = map[string]string{"app": "web", "team": "core"}
		t.Annotations = nil
		t.Spec.Containers[0].Image, t.Spec.InitContainers[0].Image = "web:2", "setup:2"
	})))
	want := pod.DeepCopy()
	want.ResourceVersion, want.Generation = "101", 8
	want.Labels["controller-revision-hash"], want.Labels["team"] = "web-b", "core"
	delete(want.Labels, "tier")
	want.Spec.Containers[0].Image, want.Spec.InitContainers[0].Image = "web:2", "setup:2"
	want.Annotations = map[string]string{
		"example.com/others":               "kept",
		appsv1beta1.InPlaceStateAnnotation: updated.Annotations[appsv1beta1.InPlaceStateAnnotation],
	}
	if diff := cmp.Diff(want, updated); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	wantState := &inplace.State{Version: 1, Revision: "web-b", Generation: updated.Generation, InService: true, Records: []inplace.Record{
		{Name: "web", Image: "web:1", ImageID: testpods.ImageID("web:1"), ContainerID: "cri://web-1"},
	}}
	if diff := cmp.Diff(wantState, inplace.ReadState(updated)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

// A container that somebody's webhook left out of the pod cannot be patched into it.
func TestContainerThatThePodLacksIsNotPatched(t *testing.T) {
	pod := podOf(template())
	pod.Spec.Containers = pod.Spec.Containers[:1]
	updated := mustPatch(t, pod, updatePatch(pod, template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Image, t.Spec.Containers[1].Image = "web:2", "log:2"
	})))
	if len(updated.Spec.Containers) != 1 || updated.Spec.Containers[0].Image != "web:2" {
		t.Errorf("got %+v", updated.Spec.Containers)
	}
}

// An image that the pod has already is patched all the same, and leaves nothing to be waited for.
func TestImageThatThePodHasAlreadyLeavesNoRecord(t *testing.T) {
	pod := podOf(template())
	pod.Spec.Containers[0].Image = "web:2"
	updated := mustPatch(t, pod, updatePatch(pod, template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Image = "web:2"
	})))
	if state := inplace.ReadState(updated); state != nil {
		t.Errorf("got %+v", state)
	}
}

func TestRecordsOfConfirmedContainersAreDropped(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	r.patch("b", map[string]string{"web": "app:b", "log": "log:2"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("web", 2, "app:b"))
	r.expect(inplace.PhaseRestarting, "log")
	r.patch("c", map[string]string{"web": "app:c"})
	want := []inplace.Record{
		{Name: "log", Image: "log:1", ImageID: testpods.ImageID("log:1"), ContainerID: "cri://log-1"},
		{Name: "web", Image: "app:b", ImageID: testpods.ImageID("app:b"), ContainerID: "cri://web-2"},
	}
	if diff := cmp.Diff(want, inplace.ReadState(r.pod).Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// What the target does not change is patched too where it is not confirmed: somebody may have changed it back.
func TestUnconfirmedImageIsPatchedAgain(t *testing.T) {
	pod := podOf(template())
	first := edited(func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "web:2" })
	updated := mustPatch(t, pod, updatePatch(pod, template(), first))
	updated.Spec.Containers[0].Image = "web:by-hand"
	updated.Generation++
	second := edited(func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Image, t.Spec.Containers[1].Image = "web:2", "log:2"
	})
	again := mustPatch(t, updated, updatePatch(updated, first, second, "web"))
	// In the order of the pod: the API server refuses another one.
	wantContainers := []corev1.Container{{Name: "web", Image: "web:2"}, {Name: "log", Image: "log:2"}}
	if diff := cmp.Diff(wantContainers, again.Spec.Containers); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	want := []inplace.Record{
		{Name: "web", Image: "web:1", ImageID: testpods.ImageID("web:1"), ContainerID: "cri://web-1"},
		{Name: "web", Image: "web:by-hand"},
		{Name: "log", Image: "log:1", ImageID: testpods.ImageID("log:1"), ContainerID: "cri://log-1"},
	}
	if diff := cmp.Diff(want, inplace.ReadState(again).Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
