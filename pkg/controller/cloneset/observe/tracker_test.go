package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

const setUID = types.UID("uid-web")

func TestSightingsAreOfPodsThatAreNotReady(t *testing.T) {
	tracker, now := NewTracker(), testpods.Start()
	tracker.SeePod(setUID, nil, testpods.New("a", testpods.Serving()), now)
	if got := len(tracker.sightings); got != 0 {
		t.Errorf("got %d sightings of a pod that serves", got)
	}
	tracker.SeePod(setUID, nil, testpods.New("a", testpods.Drained(now)), now)
	if got := tracker.SeeDrained("uid-a", true, true, now); !got.DrainedSince.Equal(now) || len(tracker.sightings) != 1 {
		t.Errorf("got %+v", got)
	}
	tracker.SeePod(setUID, nil, testpods.New("a", testpods.Serving()), now)
	if got := len(tracker.sightings); got != 0 {
		t.Errorf("got %d sightings after the pod went back into service", got)
	}
}

// What the kubelet does to a pod that is patched in service is to be seen from the first status on.
func TestSightingsAreOfPodsThatAreUpdatedInService(t *testing.T) {
	tracker, now := NewTracker(), testpods.Start()
	pod := patched(t, testpods.New("a", testpods.Container("web", "app:a"), testpods.Serving()), "app:a-too")
	testpods.Observe(pod)
	tracker.SeePod(setUID, nil, pod, now)
	pod = pod.DeepCopy()
	testpods.Run(pod, "web", 2, "app:a")
	tracker.SeePod(setUID, nil, pod, now)
	none := func(string) []string { return nil }
	got := inplace.ProgressOf(pod, tracker.SeeDrained("uid-a", false, true, now), none, now)
	if got.Phase != inplace.PhaseRestarted {
		t.Errorf("got phase %s: the restart was not seen", got.Phase)
	}
	done, err := testpods.Patched(pod, inplace.ConfirmPatch(pod))
	if err != nil {
		t.Fatal(err)
	}
	tracker.SeePod(setUID, nil, done, now)
	if got := len(tracker.sightings); got != 0 {
		t.Errorf("got %d sightings after the update was confirmed", got)
	}
}

// patched returns a pod of one container, web, that was patched to another image.
func patched(t *testing.T, pod *corev1.Pod, image string) *corev1.Pod {
	t.Helper()
	target := inplace.Target{Revision: "web-b", Template: template(image)}
	change := inplace.Compare(template(pod.Spec.Containers[0].Image), target.Template)
	next, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, change, inplace.Progress{}))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestPodThatLeftTheCacheIsLookedFor(t *testing.T) {
	tracker, now := NewTracker(), testpods.Start()
	pod := testpods.New("a", testpods.Drained(now))
	tracker.SeePod(setUID, nil, pod, now)
	tracker.SeeGone(setUID, pod)
	if diff := cmp.Diff(map[string]types.UID{"a": "uid-a"}, tracker.missing(setUID)); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if len(tracker.sightings) != 0 {
		t.Error("its sighting is kept")
	}
	tracker.SeePod(setUID, nil, pod, now)
	if got := tracker.missing(setUID); len(got) != 0 {
		t.Errorf("got missing %v after the pod came back", got)
	}
}

func TestPodWhoseDeletionWasSeenIsNotLookedFor(t *testing.T) {
	tracker := NewTracker()
	tracker.SeeGone(setUID, testpods.New("a", func(pod *corev1.Pod) {
		pod.DeletionTimestamp = new(metav1.NewTime(testpods.Start()))
	}))
	if got := tracker.missing(setUID); len(got) != 0 {
		t.Errorf("got missing %v", got)
	}
}

func TestTrackerForgetsACloneSet(t *testing.T) {
	tracker := NewTracker()
	tracker.SeeTaken(setUID, "web-x")
	tracker.SeeCreateError(setUID, "quota")
	tracker.SeeGone(setUID, testpods.New("a"))
	if !tracker.taken(setUID)["web-x"] || tracker.createError(setUID) != "quota" || tracker.taken("uid-other") != nil {
		t.Errorf("got taken %v, create error %q", tracker.taken(setUID), tracker.createError(setUID))
	}
	tracker.SeeCreateError(setUID, "")
	if got := tracker.createError(setUID); got != "" {
		t.Errorf("got create error %q after a pod was made", got)
	}
	tracker.Forget(setUID)
	if tracker.taken(setUID) != nil || tracker.missing(setUID) != nil {
		t.Error("a CloneSet that is gone is remembered")
	}
}

// What was handed out to a pass is not changed by the next event.
func TestTrackerHandsOutCopies(t *testing.T) {
	tracker := NewTracker()
	tracker.SeeTaken(setUID, "web-x")
	taken := tracker.taken(setUID)
	tracker.SeeTaken(setUID, "web-y")
	if taken["web-y"] {
		t.Error("the names that a pass holds changed")
	}
}

// The store forgets a pod a moment before the handlers hear of it. A pass in between looks for the pod.
func TestPodThatIsGoneBeforeItsEvent(t *testing.T) {
	gone := func(pod *corev1.Pod) { pod.DeletionTimestamp = new(metav1.NewTime(testpods.Start())) }
	a, b := testpods.New("a"), testpods.New("b")
	tests := map[string]struct {
		between func(*Tracker)
		next    []*corev1.Pod
		want    map[string]types.UID
	}{
		"nothing has changed":      {func(*Tracker) {}, []*corev1.Pod{b, a}, nil},
		"no event yet":             {func(*Tracker) {}, []*corev1.Pod{b}, map[string]types.UID{"a": "uid-a"}},
		"another one has come":     {func(*Tracker) {}, []*corev1.Pod{b, testpods.New("c")}, map[string]types.UID{"a": "uid-a"}},
		"its deletion was seen":    {func(tr *Tracker) { tr.SeeGone(setUID, testpods.New("a", gone)) }, []*corev1.Pod{b}, nil},
		"it was seen terminating":  {func(tr *Tracker) { tr.SeeAll(setUID, []*corev1.Pod{testpods.New("a", gone), b}) }, []*corev1.Pod{b}, nil},
		"the event is there, also": {func(tr *Tracker) { tr.SeeGone(setUID, a) }, []*corev1.Pod{b}, map[string]types.UID{"a": "uid-a"}},
		"a successor has its name": {func(*Tracker) {}, []*corev1.Pod{b, testpods.New("a", func(pod *corev1.Pod) { pod.UID = "uid-new" })}, nil},
		"all of them have gone":    {func(*Tracker) {}, nil, map[string]types.UID{"a": "uid-a", "b": "uid-b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tracker := NewTracker()
			tracker.SeeAll(setUID, []*corev1.Pod{a, b})
			tt.between(tracker)
			tracker.SeeAll(setUID, tt.next)
			got := tracker.missing(setUID)
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}
