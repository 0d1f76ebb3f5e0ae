package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// asking returns a pod that asks for cpu.
func asking(name, cpu string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pod.Spec.Containers = []corev1.Container{{
		Name: "app", Image: "app:v1", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
	}}
	return pod
}

// small returns options of a world whose node has two cpus.
func small() WorldOptions {
	opts := testOptions(nil)
	opts.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
	return opts
}

func (h *harness) resize(cpu string) error {
	_, err := h.world.Patch(h.name, types.StrategicMergePatchType,
		fmt.Appendf(nil, `{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":%q}}}]}}`, cpu), "resize")
	return err
}

func (h *harness) has() string {
	cpu := h.world.TrulyHas(h.uid, "app").Requests[corev1.ResourceCPU]
	return cpu.String()
}

// pending returns the reason why the pod does not get what it asks for.
func (h *harness) pending() string {
	at := slices.IndexFunc(h.pod().Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodResizePending })
	if at < 0 {
		return ""
	}
	return h.pod().Status.Conditions[at].Reason
}

// A resize that the node has no room for waits, with the pod as it was, and goes on by itself as soon as there is room.
func TestResizeWaitsForRoom(t *testing.T) {
	tests := map[string]func(t *testing.T, h *harness){
		"another pod goes": func(t *testing.T, h *harness) {
			if _, err := h.world.Delete("other", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"another pod shrinks": func(t *testing.T, h *harness) {
			other := &harness{t: t, world: h.world, name: "other"}
			if err := other.resize("100m"); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, makeRoom := range tests {
		t.Run(name, func(t *testing.T) {
			h := startDeferred(t)
			makeRoom(t, h)
			h.settle()
			if h.pending() != "" || h.has() != "1500m" || h.world.Starts(h.uid, "app") != 1 {
				t.Errorf("pending is %q, and it has %s after %d starts", h.pending(), h.has(), h.world.Starts(h.uid, "app"))
			}
		})
	}
}

// startDeferred returns a pod that waits for the cpu that another one has.
func startDeferred(t *testing.T) *harness {
	t.Helper()
	h := start(t, small(), asking("web", "500m"))
	if _, err := h.world.Create(asking("other", "1")); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if err := h.resize("1500m"); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if h.pending() != corev1.PodReasonDeferred || h.has() != "500m" || !h.ready() {
		t.Fatalf("pending is %q, and it has %s", h.pending(), h.has())
	}
	return h
}

// What no node has is refused by the API server, or by the kubelet of an older cluster for good.
func TestResizeThatIsInfeasible(t *testing.T) {
	h := start(t, small(), asking("web", "500m"))
	if err := h.resize("5"); !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, "NodeCapacity") {
		t.Errorf("got %v", err)
	}
	opts := small()
	opts.NoResizeAdmission = true
	h = start(t, opts, asking("web", "500m"))
	if err := h.resize("5"); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if h.pending() != corev1.PodReasonInfeasible || h.has() != "500m" {
		t.Errorf("pending is %q, and it has %s", h.pending(), h.has())
	}
	if err := h.resize("600m"); err != nil {
		t.Fatal(err)
	}
	h.settle()
	if h.pending() != "" || h.has() != "600m" {
		t.Errorf("after another resize pending is %q, and it has %s", h.pending(), h.has())
	}
}

// A resize changes cpu and memory and nothing else: no label, no image, no class of the pod, and it takes nothing away.
func TestResizeIsRefused(t *testing.T) {
	tests := map[string]struct{ patch, want string }{
		"a limit taken away": {
			`{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":null}}}]}}`, "cannot be removed",
		},
		"another class": {
			`{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"500m","memory":"64Mi"},"requests":{"memory":"64Mi"}}}]}}`,
			"QOS Class",
		},
		"another container": {`{"spec":{"containers":[{"name":"more"}]}}`, "added or removed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := start(t, small(), asking("web", "500m"))
			_, err := h.world.Patch("web", types.StrategicMergePatchType, []byte(tt.patch), "resize")
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	h := start(t, small(), asking("web", "500m"))
	pod := h.patch("resize", `{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"app","image":"app:v2"}]}}`)
	if pod.Labels["a"] != "" || pod.Spec.Containers[0].Image != "app:v1" || pod.Generation != 1 {
		t.Errorf("it changed labels %v, image %s, generation %d", pod.Labels, pod.Spec.Containers[0].Image, pod.Generation)
	}
}

// A container that is being restarted for its image starts with what its pod was given when that began. A resize that comes
// in between is made after that, if need be by another restart.
func TestResizeDuringARestart(t *testing.T) {
	pod := asking("web", "500m")
	pod.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{
		{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer},
	}
	h := start(t, small(), pod)
	h.setImage("app", "app:v2")
	h.wait(50 * time.Millisecond)
	if err := h.resize("600m"); err != nil {
		t.Fatal(err)
	}
	h.until("it runs again", func() bool { return h.world.Starts(h.uid, "app") == 2 })
	if h.has() != "500m" {
		t.Errorf("at first it has %s", h.has())
	}
	h.settle()
	if h.has() != "600m" || h.world.Starts(h.uid, "app") != 3 {
		t.Errorf("it has %s after %d starts", h.has(), h.world.Starts(h.uid, "app"))
	}
}
