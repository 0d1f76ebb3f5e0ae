package inplace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func TestPhaseOfAPodThatWasNotPatched(t *testing.T) {
	gate := func(status corev1.ConditionStatus) testpods.Option {
		return testpods.Condition(appsv1beta1.InPlaceUpdateReady, status, testpods.Start())
	}
	tests := map[string]struct {
		pod  *corev1.Pod
		want inplace.Phase
	}{
		"gate never set": {testpods.New("web-a"), inplace.PhaseNew},
		"gate on":        {testpods.New("web-a", gate(corev1.ConditionTrue)), inplace.PhaseInService},
		"gate off":       {testpods.New("web-a", gate(corev1.ConditionFalse)), inplace.PhaseDraining},
		"gate unknown":   {testpods.New("web-a", gate(corev1.ConditionUnknown)), inplace.PhaseDraining},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := inplace.ProgressOf(tt.pod, nil, nil, testpods.Start())
			if got.Phase != tt.want || got.Wait != 0 || len(got.Unconfirmed) > 0 {
				t.Errorf("got %+v, want phase %s and nothing to wait for", got, tt.want)
			}
		})
	}
}

func TestSooner(t *testing.T) {
	tests := []struct{ a, b, want time.Duration }{
		{0, 0, 0}, {0, 2, 2}, {2, 0, 2}, {1, 2, 1}, {2, 1, 1}, {2, 2, 2},
	}
	for _, tt := range tests {
		if got := inplace.Sooner(tt.a, tt.b); got != tt.want {
			t.Errorf("Sooner(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDigest(t *testing.T) {
	tests := map[string]string{
		"docker.io/library/nginx@sha256:12ab": "sha256:12ab",
		"nginx@sha256:12ab":                   "sha256:12ab",
		"sha256:12ab":                         "sha256:12ab",
		"docker://sha256:12ab":                "sha256:12ab",
		"docker-pullable://nginx@sha256:12ab": "sha256:12ab",
		strings.Repeat("12ab", 16):            "sha256:" + strings.Repeat("12ab", 16),
		"nginx:1.27":                          "",
		"":                                    "",
	}
	for imageID, want := range tests {
		if got := inplace.Digest(imageID); got != want {
			t.Errorf("Digest(%q) = %q, want %q", imageID, got, want)
		}
	}
}

func TestIsReady(t *testing.T) {
	ready := func(status corev1.ConditionStatus) testpods.Option {
		return testpods.Condition(corev1.PodReady, status, testpods.Start())
	}
	gateOff := testpods.Condition(appsv1beta1.InPlaceUpdateReady, corev1.ConditionFalse, testpods.Start())
	tests := map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"ready and serving":                  {testpods.New("web-a", testpods.Serving()), true},
		"ready without a gate":               {testpods.New("web-a", ready(corev1.ConditionTrue)), true},
		"ready, the gate turned off since":   {testpods.New("web-a", testpods.Serving(), gateOff), false},
		"not ready":                          {testpods.New("web-a", testpods.Serving(), ready(corev1.ConditionFalse)), false},
		"nothing known":                      {testpods.New("web-a"), false},
		"readiness unknown, the node is off": {testpods.New("web-a", testpods.Serving(), ready(corev1.ConditionUnknown)), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.IsReady(tt.pod); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestHasGate(t *testing.T) {
	pod := testpods.New("web-a")
	if !inplace.HasGate(pod) {
		t.Error("the gate is not found")
	}
	pod.Spec.ReadinessGates[0].ConditionType = "example.com/other"
	if inplace.HasGate(pod) {
		t.Error("another gate is taken for it")
	}
}

func TestKnownDigests(t *testing.T) {
	other := func(pod *corev1.Pod) { testpods.Status(pod, "web").ImageID = "mirror.example/app@sha256:other" }
	pods := []*corev1.Pod{
		testpods.New("a", testpods.Container("web", "app:a"), testpods.Sidecar("proxy", "proxy:1"), testpods.Init("setup", "setup:1"), testpods.Serving()),
		testpods.New("b", testpods.Container("web", "app:a"), testpods.Serving()),
		testpods.New("c", testpods.Container("web", "app:a"), other, testpods.Serving()),
		testpods.New("drained", testpods.Container("web", "app:b"), testpods.Drained(testpods.Start())),
		testpods.New("new", testpods.Container("web", "app:c")),
		testpods.New("waiting", testpods.Container("web", "app:d"), waiting("web", "CrashLoopBackOff", ""), testpods.Serving()),
		testpods.New("without digest", testpods.Container("web", "app:e"), testpods.Serving(), func(pod *corev1.Pod) {
			testpods.Status(pod, "web").ImageID = "app:e"
		}),
	}
	want := map[string][]string{
		"app:a":   {inplace.Digest(testpods.ImageID("app:a")), "sha256:other"},
		"proxy:1": {inplace.Digest(testpods.ImageID("proxy:1"))},
	}
	if diff := cmp.Diff(want, inplace.KnownDigests(pods)); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
}
