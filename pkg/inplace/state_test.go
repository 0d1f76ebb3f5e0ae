package inplace_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// These are the files of the annotation as the first releases write it: of a drained pod, and of one that is in service
// between two batches. Pods carry it; later releases must read it.
const (
	stateV1        = "testdata/state-v1.json"
	stateV1Batches = "testdata/state-v1-batches.json"
)

func annotated(state string) *corev1.Pod {
	return testpods.New("web-a", func(pod *corev1.Pod) {
		pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: state}
	})
}

func golden(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestStateOfVersion1IsRead(t *testing.T) {
	want := &inplace.State{
		Version: 1, Revision: "web-c", Generation: 3,
		Records: []inplace.Record{
			{Name: "web", Image: "app:a", ImageID: testpods.ImageID("app:a"), ContainerID: "cri://web-1"},
			{Name: "web", Image: "app:b"},
		},
	}
	if diff := cmp.Diff(want, inplace.ReadState(annotated(golden(t, stateV1)))); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestStateOfVersion1IsWritten(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("web-b", map[string]string{"web": "app:b"})
	r.patch("web-c", map[string]string{"web": "app:c"})
	if diff := cmp.Diff(golden(t, stateV1), r.pod.Annotations[appsv1beta1.InPlaceStateAnnotation]); diff != "" {
		t.Errorf("annotation (-want +got):\n%s", diff)
	}
}

func TestStateBetweenBatchesIsRead(t *testing.T) {
	want := &inplace.State{
		Version: 1, Revision: "web-b", Generation: 3, InService: true,
		Records: []inplace.Record{
			{Name: "web", Image: "app:a", ImageID: testpods.ImageID("app:a"), ContainerID: "cri://web-1", Done: true},
			{Name: "log", Image: "log:1", ImageID: testpods.ImageID("log:1"), ContainerID: "cri://log-1"},
		},
		Pending: []string{"stats"},
	}
	if diff := cmp.Diff(want, inplace.ReadState(annotated(golden(t, stateV1Batches)))); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestStateBetweenBatchesIsWritten(t *testing.T) {
	r := serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"), testpods.Container("stats", "stats:1"))
	r.rules = inplace.Rules{"web": {NoDrain: true, Priority: 2}, "log": {NoDrain: true, Priority: 1}, "stats": {NoDrain: true}}
	r.patch("web-b", map[string]string{"web": "app:b", "log": "log:2", "stats": "stats:2"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.goOn()
	if diff := cmp.Diff(golden(t, stateV1Batches), r.pod.Annotations[appsv1beta1.InPlaceStateAnnotation]); diff != "" {
		t.Errorf("annotation (-want +got):\n%s", diff)
	}
}

func TestStateThatCannotBeReadIsNone(t *testing.T) {
	tests := map[string]string{
		"empty":                   "",
		"not JSON":                "{",
		"of a later version":      strings.Replace(golden(t, stateV1), `"version":1`, `"version":2`, 1),
		"of no version":           `{"revision":"web-b","generation":2}`,
		"of other types":          `{"version":1,"generation":"two"}`,
		"JSON of something else":  `[]`,
		"a number of its version": `1`,
	}
	for name, state := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.ReadState(annotated(state)); got != nil {
				t.Errorf("read %+v", got)
			}
		})
	}
}

// A pod whose state somebody broke is drained and can be patched again, instead of waiting for ever.
func TestPodWithACorruptStateIsDraining(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("web-b", map[string]string{"web": "app:b"})
	r.pod.Annotations[appsv1beta1.InPlaceStateAnnotation] = "{"
	r.seen = nil
	r.see()
	r.expect(inplace.PhaseDraining)
	r.patch("web-c", map[string]string{"web": "app:c"})
	r.expect(inplace.PhaseRestarting, "web")
}
