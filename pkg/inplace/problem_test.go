package inplace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func exited(name string, code int32, reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		testpods.Status(pod, name).LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, ContainerID: testpods.Status(pod, name).ContainerID,
		}
	}
}

// ended has a container be one that ended with the exit code 0.
func ended(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		status := testpods.Status(pod, name)
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", ContainerID: status.ContainerID,
		}}
	}
}

// troubled is a pod and what is wrong with it.
type troubled struct {
	pod  *corev1.Pod
	want *inplace.Problem
}

func TestTrouble(t *testing.T) {
	web, proxy := testpods.Container("web", "app:a"), testpods.Sidecar("proxy", "proxy:1")
	tests := map[string]troubled{
		"all run":  {testpods.New("a", web, proxy), nil},
		"creating": {testpods.New("a", web, waiting("web", "ContainerCreating", "")), nil},
		"init containers are at it": {
			testpods.New("a", web, waiting("web", "PodInitializing", "")), nil,
		},
		"no reason": {testpods.New("a", web, waiting("web", "", "")), nil},
		"pull fails": {
			testpods.New("a", web, exited("web", 1, "Error"), waiting("web", "ErrImagePull", "not found")),
			&inplace.Problem{Reason: "ErrImagePull", Message: "container web: not found"},
		},
		"crash loop": {
			testpods.New("a", web, exited("web", 137, "OOMKilled"), waiting("web", "CrashLoopBackOff", "back-off 10s")),
			&inplace.Problem{Reason: "CrashLoopBackOff", Message: "container web: back-off 10s (last exit code 137, OOMKilled)"},
		},
		"crash loop of a sidecar comes first": {
			testpods.New("a", web, proxy, waiting("web", "ErrImagePull", "not found"), waiting("proxy", "CrashLoopBackOff", "back-off")),
			&inplace.Problem{Reason: "CrashLoopBackOff", Message: "container proxy: back-off"},
		},
	}
	tests["an init container is done"] = troubled{testpods.New("a", web, testpods.Init("setup", "setup:1"), ended("setup")), nil}
	tests["a sidecar has ended well"] = troubled{testpods.New("a", web, proxy, ended("proxy")), &inplace.Problem{
		Reason: "SidecarEnded",
		Message: "container proxy: ended with exit code 0 and does not run again; " +
			"the kubelet says why in the events of the pod only",
	}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, inplace.Trouble(tt.pod, nil)); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

// One second after a failed pull the kubelet speaks of a crash loop, and the registry's words are gone.
func TestFailedPullIsRememberedOverTheBackOff(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, waiting("web", "ErrImagePull", "app:b: not found"))
	r.kubelet(exited("web", 0, "Completed"), waiting("web", "CrashLoopBackOff", "back-off 10s"))
	want := &inplace.Problem{Reason: "ErrImagePull", Message: "container web: app:b: not found"}
	if diff := cmp.Diff(want, inplace.Trouble(r.pod, r.seen)); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}

func TestFailedPullIsForgotten(t *testing.T) {
	failed := func(t *testing.T) *rollout {
		r := drained(t, testpods.Container("web", "app:a"))
		r.patch("b", map[string]string{"web": "app:b"})
		r.kubelet(testpods.Observe, waiting("web", "ErrImagePull", "app:b: not found"))
		return r
	}
	reason := func(r *rollout) string { return inplace.Trouble(r.pod, r.seen).Reason }
	t.Run("when a new container crashes", func(t *testing.T) {
		r := failed(t)
		r.kubelet(run("web", 2, "app:b"))
		r.kubelet(waiting("web", "CrashLoopBackOff", "back-off 10s"))
		if got := reason(r); got != "CrashLoopBackOff" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("when another image is asked for", func(t *testing.T) {
		r := failed(t)
		r.patch("c", map[string]string{"web": "app:c"})
		r.kubelet(testpods.Observe, waiting("web", "CrashLoopBackOff", "back-off 10s"))
		if got := reason(r); got != "CrashLoopBackOff" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("when the container cannot be made for another reason", func(t *testing.T) {
		r := failed(t)
		r.kubelet(waiting("web", "CreateContainerConfigError", `secret "db" not found`))
		if got := reason(r); got != "CreateContainerConfigError" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("when it runs", func(t *testing.T) {
		r := failed(t)
		r.kubelet(run("web", 2, "app:b"))
		if problem := inplace.Trouble(r.pod, r.seen); problem != nil {
			t.Errorf("got %+v", problem)
		}
	})
}

func TestCrashedLeft(t *testing.T) {
	start := testpods.Start()
	restarted := func(started time.Time) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			testpods.Run(pod, "web", 2, "app:a")
			testpods.Status(pod, "web").State.Running.StartedAt = metav1.NewTime(started)
		}
	}
	web := testpods.Container("web", "app:a")
	tests := map[string]struct {
		pod  *corev1.Pod
		want time.Duration
	}{
		"never ended":            {testpods.New("a", web), 0},
		"ended just now":         {testpods.New("a", web, restarted(start)), 10 * time.Second},
		"ended 4 s ago":          {testpods.New("a", web, restarted(start.Add(-4*time.Second))), 6 * time.Second},
		"ended 10 s ago":         {testpods.New("a", web, restarted(start.Add(-10*time.Second))), 0},
		"clocks differ a bit":    {testpods.New("a", web, restarted(start.Add(5*time.Second))), 10 * time.Second},
		"the node's clock leads": {testpods.New("a", web, restarted(start.Add(time.Hour))), 0},
		"waits after its end":    {testpods.New("a", web, restarted(start), waiting("web", "CrashLoopBackOff", "")), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.CrashedLeft(tt.pod, start); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestStartedLeft(t *testing.T) {
	start := testpods.Start()
	runsSince := func(name string, started time.Time) testpods.Option {
		return func(pod *corev1.Pod) { testpods.Status(pod, name).State.Running.StartedAt = metav1.NewTime(started) }
	}
	web, long := testpods.Container("web", "app:a"), runsSince("web", start.Add(-time.Hour))
	tests := map[string]struct {
		pod  *corev1.Pod
		want time.Duration
	}{
		"started just now":       {testpods.New("a", web, runsSince("web", start)), 10 * time.Second},
		"started 4 s ago":        {testpods.New("a", web, runsSince("web", start.Add(-4*time.Second))), 6 * time.Second},
		"started 10 s ago":       {testpods.New("a", web, runsSince("web", start.Add(-10*time.Second))), 0},
		"started long ago":       {testpods.New("a", web, long), 0},
		"clocks differ a bit":    {testpods.New("a", web, runsSince("web", start.Add(5*time.Second))), 10 * time.Second},
		"the node's clock leads": {testpods.New("a", web, runsSince("web", start.Add(time.Hour))), 0},
		"the last one counts":    {testpods.New("a", web, testpods.Container("log", "log:1"), long, runsSince("log", start)), 10 * time.Second},
		"sidecars count, too":    {testpods.New("a", web, testpods.Sidecar("mesh", "app:a"), long, runsSince("mesh", start)), 10 * time.Second},
		"what waits does not":    {testpods.New("a", web, waiting("web", "CrashLoopBackOff", "")), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.StartedLeft(tt.pod, 10*time.Second, start); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A restart that the update itself asked for is no crash; the next one is.
func TestRestartByThePatchIsNoCrash(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	if left := inplace.CrashedLeft(r.pod, r.now); left != 0 {
		t.Errorf("got %s after the restart by the patch", left)
	}
	r.kubelet(run("web", 3, "app:b"))
	if left := inplace.CrashedLeft(r.pod, r.now); left == 0 {
		t.Error("the crash of the new container was not noticed")
	}
}
