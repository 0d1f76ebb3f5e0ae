package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func TestNamesOfPodsThatLeftRest(t *testing.T) {
	now := testpods.Start()
	a, b := testpods.New("a"), testpods.New("b")
	terminating := testpods.New("a", func(pod *corev1.Pod) { pod.DeletionTimestamp = new(metav1.NewTime(now)) })
	resting := map[string]bool{"a": true}
	pass := func(pods ...*corev1.Pod) func(*Tracker) {
		return func(tr *Tracker) { tr.SeeAll(setUID, pods) }
	}
	gone := func(tr *Tracker) { tr.SeeGone(setUID, a) }
	later := func(d time.Duration) func(*Tracker) {
		return func(tr *Tracker) {
			tr.Resting(setUID, now)
			now = now.Add(d)
		}
	}
	tests := map[string]struct {
		steps []func(*Tracker)
		want  map[string]bool
	}{
		"of none that stayed":                     {[]func(*Tracker){pass(a, b), pass(a, b)}, nil},
		"of one that terminates":                  {[]func(*Tracker){pass(terminating, b)}, resting},
		"of one that was gone at once":            {[]func(*Tracker){pass(a, b), pass(b)}, resting},
		"of one of which only an event told":      {[]func(*Tracker){gone}, resting},
		"for most of an hour":                     {[]func(*Tracker){gone, later(59 * time.Minute)}, resting},
		"not for more":                            {[]func(*Tracker){gone, later(61 * time.Minute)}, map[string]bool{}},
		"an hour from the last that was seen":     {[]func(*Tracker){pass(terminating), later(2 * time.Hour), gone}, resting},
		"until the CloneSet itself is not known":  {[]func(*Tracker){gone, func(tr *Tracker) { tr.Forget(setUID) }}, nil},
		"though a pod is there that has the name": {[]func(*Tracker){gone, pass(a, b)}, resting},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now = testpods.Start()
			tracker := NewTracker()
			for _, step := range tt.steps {
				step(tracker)
			}
			if diff := cmp.Diff(tt.want, tracker.Resting(setUID, now)); diff != "" {
				t.Errorf("resting (-want +got):\n%s", diff)
			}
		})
	}
}
