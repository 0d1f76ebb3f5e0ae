package kubelet

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

func patched(h *harness, subresource, patch string) (*corev1.Pod, error) {
	return h.world.Patch(h.name, types.StrategicMergePatchType, []byte(patch), subresource)
}

func TestGenerationFollowsSpec(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	for _, c := range []struct {
		name, subresource, patch string
		bump                     int64
		write                    bool
	}{
		{"image", "", `{"spec":{"containers":[{"name":"web","image":"app:v2"}]}}`, 1, true},
		{"same image", "", `{"spec":{"containers":[{"name":"web","image":"app:v2"}]}}`, 0, false},
		{"label", "", `{"metadata":{"labels":{"revision":"2"}}}`, 0, true},
		{"status through the pod", "", `{"status":{"phase":"Failed"}}`, 0, false},
		{"condition", "status", `{"status":{"conditions":[{"type":"Own","status":"True"}]}}`, 0, true},
		{"same condition", "status", `{"status":{"conditions":[{"type":"Own","status":"True"}]}}`, 0, false},
		{"image through the status", "status", `{"spec":{"containers":[{"name":"web","image":"app:v3"}]}}`, 0, false},
		{"label through the status", "status", `{"metadata":{"labels":{"revision":"3"}}}`, 0, true},
	} {
		before := h.pod()
		after, err := patched(h, c.subresource, c.patch)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if after.Generation != before.Generation+c.bump {
			t.Errorf("%s: generation %d after %d", c.name, after.Generation, before.Generation)
		}
		if wrote := after.ResourceVersion != before.ResourceVersion; wrote != c.write {
			t.Errorf("%s: written %v, not %v", c.name, wrote, c.write)
		}
	}
}

func TestMergePatch(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	patch := `{"metadata":{"labels":{"app":null,"tier":"front"},"annotations":{"note":"x"}}}`
	pod, err := h.world.Patch(h.name, types.MergePatchType, []byte(patch), "")
	if err != nil || len(pod.Labels) != 1 || pod.Labels["tier"] != "front" || pod.Annotations["note"] != "x" {
		t.Errorf("labels %v, annotations %v, error %v", pod.Labels, pod.Annotations, err)
	}
}

func TestPatchPreconditions(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	seen := h.pod()
	body := func(uid types.UID, version string) string {
		return fmt.Sprintf(`{"metadata":{"uid":%q,"resourceVersion":%q,"labels":{"x":%q}}}`, uid, version, version)
	}
	if _, err := patched(h, "", body(seen.UID, seen.ResourceVersion)); err != nil {
		t.Errorf("with the version that was read: %v", err)
	}
	for name, patch := range map[string]string{
		"an old version": body(seen.UID, seen.ResourceVersion),
		"another UID":    body("other", h.pod().ResourceVersion),
	} {
		for _, subresource := range []string{"", "status"} {
			if _, err := patched(h, subresource, patch); !apierrors.IsConflict(err) {
				t.Errorf("with %s: %v", name, err)
			}
		}
	}
}

func TestRefusedPatches(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	for name, c := range map[string]struct {
		patch string
		is    func(error) bool
	}{
		"environment": {`{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"b"}]}]}}`, apierrors.IsInvalid},
		"container":   {`{"spec":{"containers":[{"name":"new","image":"app:v1"}]}}`, apierrors.IsInvalid},
		"no image":    {`{"spec":{"containers":[{"name":"web","image":""}]}}`, apierrors.IsInvalid},
		"no JSON":     {`{`, apierrors.IsBadRequest},
		"renamed":     {`{"metadata":{"name":"other"}}`, apierrors.IsBadRequest},
	} {
		if _, err := patched(h, "", c.patch); !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.world.Patch("other", types.MergePatchType, []byte(`{}`), ""); !apierrors.IsNotFound(err) {
		t.Errorf("no such pod: %v", err)
	}
}

func TestHandEditKeepsTheRules(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	pod, err := h.world.EditPod(h.name, func(p *corev1.Pod) {
		p.Spec.Containers[0].Image, p.Labels["app"], p.Generation = "app:v2", "other", 77
	})
	if err != nil || pod.Generation != 2 || pod.Labels["app"] != "other" {
		t.Errorf("the pod is %v, %v", pod, err)
	}
	h.settle()
	if image, _ := h.world.TrulyRuns(h.uid, "web"); image != "app:v2" {
		t.Errorf("the container runs %s", image)
	}
}

func TestInjectedFaults(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	refused, lost := errors.New("refused"), errors.New("lost")
	h.world.InjectFaults(func(verb, pod string) (before, after error) {
		switch {
		case verb == "patch/status" && pod == h.name:
			return refused, nil
		case verb == "patch":
			return nil, lost
		}
		return nil, nil
	})
	if _, err := patched(h, "status", `{"status":{"reason":"x"}}`); !errors.Is(err, refused) || h.pod().Status.Reason != "" {
		t.Errorf("before its effect: %v, reason %q", err, h.pod().Status.Reason)
	}
	if _, err := patched(h, "", `{"metadata":{"labels":{"x":"y"}}}`); !errors.Is(err, lost) || h.pod().Labels["x"] != "y" {
		t.Errorf("after its effect: %v, labels %v", err, h.pod().Labels)
	}
	h.world.InjectFaults(nil)
	h.patch("status", `{"status":{"reason":"x"}}`)
}

func TestCreateTwice(t *testing.T) {
	h := start(t, testOptions(knownImages), webPod("app:v1"))
	if _, err := h.world.Create(webPod("app:v1")); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second pod of that name: %v", err)
	}
	if h.pod().Generation != 1 || h.pod().Spec.NodeName == "" {
		t.Errorf("generation %d on node %q; binding does not count", h.pod().Generation, h.pod().Spec.NodeName)
	}
}
