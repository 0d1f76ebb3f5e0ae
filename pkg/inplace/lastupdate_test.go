package inplace_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// confirm ends the update as the controller does.
func (u *timed) confirm() {
	u.apply(inplace.WithLastUpdate(inplace.ServePatch(u.pod, u.now), u.pod, u.times))
}

func (u *timed) expectLast(want string) {
	u.t.Helper()
	if got := u.pod.Annotations[appsv1beta1.LastUpdateAnnotation]; got != want {
		u.t.Errorf("the pod tells\n%s\nwant\n%s", got, want)
	}
}

func TestPodTellsOfItsLastUpdate(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))}
	u.look(nil)
	u.after(0, u.leave)
	u.after(3.0004, u.toV2)
	u.after(0.011, u.observed)
	u.after(0.64, u.runs)
	before := u.pod
	u.after(1, u.confirm)
	u.expectLast(`{"version":1,"revision":"v2","generation":2,` +
		`"phases":{"Drain":"3s","Rehearse":"0s","Start":"640ms","Stop":"11ms"},"plannedRestarts":{"web":1},` +
		`"counted":["cri://web-1"]}`)
	if got := inplace.NewlyPlanned(before, u.pod); got != 1 {
		t.Errorf("%d restarts are newly planned, want 1", got)
	}

	// The next one has its own phases, and adds to the restarts. Those of a new manager are not known.
	u.after(1, u.leave)
	u.after(1, func() { u.patch("v3", map[string]string{"web": "app:c", "log": "log:2"}) })
	u.restarted()
	u.after(1, func() { u.kubelet(testpods.Observe, run("web", 3, "app:c"), run("log", 2, "log:2")) })
	before = u.pod
	u.after(1, u.confirm)
	u.expectLast(`{"version":1,"revision":"v3","generation":3,"phases":{"Rehearse":"0s"},"plannedRestarts":{"log":1,"web":2},` +
		`"counted":["cri://web-2","cri://log-1"]}`)
	if got := inplace.NewlyPlanned(before, u.pod); got != 2 {
		t.Errorf("%d restarts are newly planned, want 2", got)
	}
}

// A confirmation that is written again, since nobody knew what had become of it, counts nothing twice.
func TestRestartsAreCountedOnce(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"))}
	u.look(nil)
	u.after(0, u.leave)
	u.after(1, u.toV2)
	u.after(1, u.observed)
	u.after(1, u.runs)
	u.after(1, u.confirm)
	before := u.pod
	u.after(1, u.confirm)
	if got := inplace.ReadLastUpdate(u.pod).PlannedRestarts["web"]; got != 1 || inplace.NewlyPlanned(before, u.pod) != 0 {
		t.Errorf("%d restarts are planned, want 1", got)
	}
}

// A container that is never replaced, since the kubelet was asked back before it acted, was not restarted.
func TestRestartThatNeverCameIsNotPlanned(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"))}
	u.look(nil)
	u.after(0, u.leave)
	u.after(1, u.toV2)
	u.after(1, func() { u.patch("v1", map[string]string{"web": "app:a"}) })
	u.after(1, u.observed)
	u.after(1, u.confirm)
	if got := inplace.ReadLastUpdate(u.pod); got == nil || len(got.PlannedRestarts) > 0 {
		t.Errorf("got %+v, want no planned restarts", got)
	}
}

// Crashes are no restarts that were planned, before the patch or after it.
func TestCrashesAreNotPlanned(t *testing.T) {
	u := &timed{rollout: serving(t, testpods.Container("web", "app:a"))}
	u.look(nil)
	u.after(0, u.leave)
	u.after(0, func() { u.kubelet(run("web", 2, "app:a")) })
	u.after(1, u.toV2)
	u.after(1, u.observed)
	u.after(1, func() { u.kubelet(run("web", 3, "app:b")) })
	u.after(1, func() { u.kubelet(run("web", 4, "app:b")) })
	u.after(1, u.confirm)
	if got := inplace.ReadLastUpdate(u.pod).PlannedRestarts["web"]; got != 1 {
		t.Errorf("%d of 3 restarts are planned, want 1", got)
	}
}

func TestLastUpdateThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"no annotation":           "",
		"no JSON":                 "{",
		"a version of the future": `{"version":2,"plannedRestarts":{"web":7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			pod.Annotations = map[string]string{appsv1beta1.LastUpdateAnnotation: text}
			if got := inplace.ReadLastUpdate(pod); got != nil {
				t.Errorf("got %+v", got)
			}
			if got := inplace.NewlyPlanned(&corev1.Pod{}, pod); got != 0 {
				t.Errorf("%d restarts are newly planned", got)
			}
		})
	}
}
