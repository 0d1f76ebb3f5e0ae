package inplace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func TestIsDrained(t *testing.T) {
	notReady := testpods.Condition(corev1.PodReady, corev1.ConditionFalse, testpods.Start())
	unknown := testpods.Condition(corev1.PodReady, corev1.ConditionUnknown, testpods.Start())
	tests := map[string]struct {
		pod     *corev1.Pod
		serving bool
		want    bool
	}{
		"not ready and not serving":              {testpods.New("a", notReady), false, true},
		"not ready, an endpoint serves":          {testpods.New("a", notReady), true, false},
		"still ready":                            {testpods.New("a", testpods.Serving()), false, false},
		"readiness unknown: the node may be off": {testpods.New("a", unknown), false, false},
		"readiness never told":                   {testpods.New("a"), false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inplace.IsDrained(tt.pod, tt.serving); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestDrainLeft(t *testing.T) {
	const grace = 10 * time.Second
	start := testpods.Start()
	sightingSince := func(since time.Time) *inplace.Sighting {
		var none *inplace.Sighting
		return none.SeeDrained(true, true, since)
	}
	tests := map[string]struct {
		unready time.Time
		seen    *inplace.Sighting
		now     time.Time
		left    time.Duration
		drained bool
	}{
		"nothing seen":              {start, nil, start.Add(time.Hour), 0, false},
		"seen, but not drained":     {start, (*inplace.Sighting)(nil).SeeDrained(false, true, start), start.Add(time.Hour), 0, false},
		"just drained":              {start, sightingSince(start), start, grace, true},
		"half of the grace":         {start, sightingSince(start), start.Add(grace / 2), grace / 2, true},
		"all of the grace":          {start, sightingSince(start), start.Add(grace), 0, true},
		"more than the grace":       {start, sightingSince(start), start.Add(2 * grace), 0, true},
		"a new process counts anew": {start, sightingSince(start.Add(grace)), start.Add(grace + 5*time.Second), grace / 2, true},
		"unless the pod was unready for the grace and 5 s": {
			start, sightingSince(start.Add(grace + 5*time.Second)), start.Add(grace + 5*time.Second + 1), 0, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod := testpods.New("a", testpods.Drained(tt.unready))
			left, drained := inplace.DrainLeft(pod, tt.seen, inplace.DrainRules{Grace: grace}, tt.now)
			if left != tt.left || drained != tt.drained {
				t.Errorf("got %s (drained: %t), want %s (%t)", left, drained, tt.left, tt.drained)
			}
		})
	}
}

// released is the condition that a pod is asked to wait for.
const released corev1.PodConditionType = "example.com/released"

func says(status corev1.ConditionStatus, at time.Time) testpods.Option {
	return testpods.Condition(released, status, at)
}

// The grace period begins when the pod is released, or has waited for that for long enough.
func TestDrainLeftUntilReleased(t *testing.T) {
	start, none := testpods.Start(), (*inplace.Sighting)(nil)
	rules := inplace.DrainRules{Grace: 10 * time.Second, Until: released, Timeout: time.Minute}
	drained := none.SeeDrained(true, false, start)
	letGo := func(after time.Duration) *inplace.Sighting { return drained.SeeDrained(true, true, start.Add(after)) }
	tests := map[string]struct {
		pod  testpods.Option
		seen *inplace.Sighting
		now  time.Duration
		left time.Duration
	}{
		"it says nothing":                {says(corev1.ConditionUnknown, start), drained, 0, 70 * time.Second},
		"it is not released yet":         {says(corev1.ConditionFalse, start), drained, 20 * time.Second, 50 * time.Second},
		"it was unready for long":        {says(corev1.ConditionFalse, start), drained, 59 * time.Second, 11 * time.Second},
		"it was released just now":       {says(corev1.ConditionTrue, start.Add(20*time.Second)), letGo(20 * time.Second), 20 * time.Second, 10 * time.Second},
		"half of the grace since then":   {says(corev1.ConditionTrue, start.Add(20*time.Second)), letGo(20 * time.Second), 25 * time.Second, 5 * time.Second},
		"all of the grace since then":    {says(corev1.ConditionTrue, start.Add(20*time.Second)), letGo(20 * time.Second), 30 * time.Second, 0},
		"released by the watch's news":   {says(corev1.ConditionTrue, start.Add(20*time.Second)), drained, 20 * time.Second, 10 * time.Second},
		"released in the last moment":    {says(corev1.ConditionTrue, start.Add(58*time.Second)), letGo(58 * time.Second), 62 * time.Second, 6 * time.Second},
		"it is released after the limit": {says(corev1.ConditionTrue, start.Add(65*time.Second)), letGo(65 * time.Second), 66 * time.Second, 4 * time.Second},
		"it is never released":           {says(corev1.ConditionFalse, start), drained, 70 * time.Second, 0},
		"a new process, and it was released long before": {
			says(corev1.ConditionTrue, start), none.SeeDrained(true, true, start.Add(20*time.Second)), 20 * time.Second, 0,
		},
		"a new process, and it was released a moment before": {
			says(corev1.ConditionTrue, start.Add(18*time.Second)), none.SeeDrained(true, true, start.Add(20*time.Second)),
			20 * time.Second, 10 * time.Second,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			left, known := inplace.DrainLeft(testpods.New("a", testpods.Drained(start), tt.pod), tt.seen, rules, start.Add(tt.now))
			if left != tt.left || !known {
				t.Errorf("got %s (drained: %t), want %s", left, known, tt.left)
			}
		})
	}
}

// A condition that is True from an earlier drain counts no more.
func TestDrainAsksForTheReleaseAnew(t *testing.T) {
	start := testpods.Start()
	pod := testpods.New("a", testpods.Serving(), says(corev1.ConditionTrue, start.Add(-time.Hour)))
	if !inplace.IsReleased(pod, released) || !inplace.IsReleased(pod, "") {
		t.Error("a condition that is True says nothing")
	}
	after := mustPatch(t, pod, inplace.DrainPatch(pod, "for a test", released, start))
	if inplace.IsReleased(after, released) {
		t.Errorf("the pod is released before anybody let go of it: %+v", after.Status.Conditions)
	}
	if inplace.IsReleased(testpods.New("b", testpods.Serving()), released) {
		t.Error("a pod without the condition is released")
	}
}

func TestReleaseEndsWithTheDrain(t *testing.T) {
	start, none := testpods.Start(), (*inplace.Sighting)(nil)
	seen := none.SeeDrained(true, true, start)
	if back := seen.SeeDrained(false, true, start); !back.ReleasedSince.IsZero() {
		t.Errorf("a pod that is not drained is released since %s", back.ReleasedSince)
	}
	if ready := seen.See(testpods.New("a", testpods.Serving()), start); !ready.ReleasedSince.IsZero() {
		t.Errorf("a pod that was seen ready is released since %s", ready.ReleasedSince)
	}
}

func TestNoGraceIsNoWait(t *testing.T) {
	pod := testpods.New("a", testpods.Drained(testpods.Start()))
	var none *inplace.Sighting
	left, drained := inplace.DrainLeft(pod, none.SeeDrained(true, true, testpods.Start()), inplace.DrainRules{}, testpods.Start())
	if left != 0 || !drained {
		t.Errorf("got %s (drained: %t), want none", left, drained)
	}
}

func TestDrainedSinceIsWhenItWasFirstSeen(t *testing.T) {
	start := testpods.Start()
	var none *inplace.Sighting
	first := none.SeeDrained(true, true, start)
	again := first.SeeDrained(true, true, start.Add(time.Minute))
	if !again.DrainedSince.Equal(start) {
		t.Errorf("got %s, want the first time, %s", again.DrainedSince, start)
	}
	back := again.SeeDrained(false, true, start.Add(time.Hour))
	if !back.DrainedSince.IsZero() {
		t.Errorf("got %s for a pod that is not drained", back.DrainedSince)
	}
}

// A pod that was seen ready in between was in service for a moment, and is drained anew.
func TestDrainedSinceEndsWhenThePodIsSeenReady(t *testing.T) {
	start := testpods.Start()
	var none *inplace.Sighting
	seen := none.SeeDrained(true, true, start).See(testpods.New("a", testpods.Serving()), start.Add(time.Second))
	if !seen.DrainedSince.IsZero() {
		t.Errorf("got %s", seen.DrainedSince)
	}
}

// Passes read a sighting while statuses arrive: one that was handed out never changes.
func TestSightingIsNeverChanged(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.seen = r.seen.SeeDrained(true, true, r.now)
	r.patch("b", map[string]string{"web": "app:a-too"})
	r.kubelet(testpods.Observe)
	held := r.seen
	before := r.progress()
	r.seen = r.seen.SeeDrained(false, true, r.now)
	r.kubelet(waiting("web", "ErrImagePull", "not found"))
	r.kubelet(run("web", 2, "app:a"))
	r.expect(inplace.PhaseRestarted)
	r.seen = held
	r.pod = r.pod.DeepCopy()
	testpods.Status(r.pod, "web").ContainerID = "cri://web-1"
	if diff := cmp.Diff(before, r.progress()); diff != "" {
		t.Errorf("progress by the old sighting (-before +after):\n%s", diff)
	}
	if held.DrainedSince.IsZero() {
		t.Error("the old sighting lost since when the pod is drained")
	}
	waiting("web", "CrashLoopBackOff", "back-off")(r.pod)
	if problem := inplace.Trouble(r.pod, held); problem.Reason != "CrashLoopBackOff" {
		t.Errorf("the old sighting knows of %s", problem.Reason)
	}
}

func TestPatchKeepsSinceWhenThePodIsDrained(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.seen = r.seen.SeeDrained(true, true, r.now)
	r.wait(time.Minute)
	r.patch("b", map[string]string{"web": "app:b"})
	if !r.seen.DrainedSince.Equal(testpods.Start()) {
		t.Errorf("got %s, want %s", r.seen.DrainedSince, testpods.Start())
	}
}

// A clock that is set back has what was seen later count from now on, though nothing else has changed.
func TestDrainIsCountedAnewWhenTheClockGoesBack(t *testing.T) {
	start := testpods.Start()
	var none *inplace.Sighting
	for name, later := range map[string]*inplace.Sighting{
		"drained":  none.SeeDrained(true, false, start.Add(time.Hour)),
		"released": none.SeeDrained(true, true, start.Add(time.Hour)),
		"unready":  none.SeeDrained(true, false, start).SeeUnready(start.Add(time.Hour)),
		"ready":    none.SeeDrained(true, false, start).SeeReady(start.Add(time.Hour)),
	} {
		released := !later.ReleasedSince.IsZero()
		seen := later.SeeDrained(true, released, start)
		if seen == later {
			t.Errorf("%s: what was seen later stays", name)
		}
		if seen.DrainedSince.After(start) || seen.ReleasedSince.After(start) || seen.ReadySince.After(start) {
			t.Errorf("%s: got %+v", name, seen)
		}
		if again := seen.SeeDrained(true, released, start); again != seen {
			t.Errorf("%s: copied though nothing has changed", name)
		}
	}
}

// So has a container that was seen to start later.
func TestContainerIsCountedAnewWhenTheClockGoesBack(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	before := (*inplace.Sighting)(nil).SeeDrained(true, false, r.now)
	seen := before.See(r.pod, r.now.Add(time.Hour))
	if again := seen.SeeDrained(true, false, r.now.Add(time.Hour)); again != seen {
		t.Error("copied though nothing has changed")
	}
	if again := seen.SeeDrained(true, false, r.now.Add(time.Minute)); again == seen {
		t.Error("what was seen later stays")
	}
}
