package inplace_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// edited100 patches the pod a hundred times while the first image is still being pulled.
func edited100(r *rollout, image func(int) string) {
	r.kubelet(testpods.Observe, waiting("web", "ContainerCreating", ""))
	for i := range 100 {
		r.patch(fmt.Sprintf("rev-%d", i), map[string]string{"web": image(i)})
	}
}

func TestAnnotationIsBounded(t *testing.T) {
	tests := map[string]func(int) string{
		"ever new images":      func(i int) string { return fmt.Sprintf("app:%d", i) },
		"two images in turn":   func(i int) string { return fmt.Sprintf("app:%d", i%2) },
		"the old one in turn":  func(i int) string { return []string{"app:a", "app:b"}[i%2] },
		"three images in turn": func(i int) string { return fmt.Sprintf("app:%d", i%3) },
	}
	for name, image := range tests {
		t.Run(name, func(t *testing.T) {
			r := drained(t, testpods.Container("web", "app:a"))
			edited100(r, image)
			if size := len(r.pod.Annotations[appsv1beta1.InPlaceStateAnnotation]); size > 1000 {
				t.Errorf("the annotation has %d bytes", size)
			}
			// The pull ends, and the kubelet makes the container of the last image but for the first, then the last one.
			r.kubelet(testpods.Observe, run("web", 2, image(0)))
			r.expect(inplace.PhaseRestarting, "web")
			r.kubelet(run("web", 3, image(99)))
			r.expect(inplace.PhaseRestarted)
		})
	}
}

// Every image runs for a moment, so that each record names another container.
func TestAnnotationIsBoundedWhereContainersRun(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	for i := range 100 {
		r.patch(fmt.Sprintf("rev-%d", i), map[string]string{"web": fmt.Sprintf("app:%d", i)})
		r.kubelet(testpods.Observe, run("web", i+2, fmt.Sprintf("app:%d", i)))
		r.kubelet(waiting("web", "CrashLoopBackOff", "back-off"))
	}
	records := inplace.ReadState(r.pod).Records
	if len(records) != 8 {
		t.Errorf("got %d records, want 8", len(records))
	}
	if records[0].ContainerID != "cri://web-1" {
		t.Errorf("the first record is %+v: what ran before the update is forgotten", records[0])
	}
}

// Back to an image asked for once: that it ran is among what is left out, and then its digest proves less, not more.
func TestWhatIsLeftOutProvesNothing(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	edited100(r, func(i int) string { return fmt.Sprintf("app:%d", i) })
	for i := range 100 {
		r.learn(fmt.Sprintf("app:%d", i))
	}
	r.kubelet(testpods.Observe, run("web", 2, "app:99"))
	r.restartProcess()
	r.expect(inplace.PhaseRestarting, "web") // An image that is left out may have this digest.
	r.wait(settling)
	r.expect(inplace.PhaseRestarted)
}

// The container that may still run is known however many images were asked for since.
func TestRunningContainerIsNeverForgotten(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"), waiting("web", "CrashLoopBackOff", "back-off"))
	edited100(r, func(i int) string { return fmt.Sprintf("app:%d", i) })
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.restartProcess()
	r.wait(settling)
	r.expect(inplace.PhaseRestarting, "web") // It is B's, which the kubelet is about to end.
}

func TestRecordsThatSayTheSameAreOne(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	for range 3 {
		r.patch("b", map[string]string{"web": "app:b"})
		r.patch("a", map[string]string{"web": "app:a"})
	}
	want := []inplace.Record{
		{Name: "web", Image: "app:a", ImageID: testpods.ImageID("app:a"), ContainerID: "cri://web-1"},
		{Name: "web", Image: "app:b"},
		{Name: "web", Image: "app:a"},
	}
	if diff := cmp.Diff(want, inplace.ReadState(r.pod).Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
