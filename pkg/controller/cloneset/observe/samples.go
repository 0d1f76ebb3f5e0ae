package observe

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// window is of how many updates it is kept how long their phases took. It bounds what a CloneSet costs to 14 KiB, however
// many pods it has.
const window = 256

// samples are how long the phases of updates to one revision took.
type samples struct {
	revision string
	count    int
	// phases are the last known times of each phase, in no order that means anything; the next one replaces the oldest.
	phases map[appsv1beta1.UpdatePhase]*ring
	// told are the figures, once they were worked out.
	told *appsv1beta1.UpdateTimes
}

type ring struct {
	values []time.Duration
	oldest int
}

func newSamples(revision string) *samples {
	return &samples{revision: revision, phases: map[appsv1beta1.UpdatePhase]*ring{}}
}

func (s *samples) add(took inplace.Took) {
	s.count++
	s.told = nil
	for phase, value := range took {
		if s.phases[phase] == nil {
			s.phases[phase] = &ring{}
		}
		s.phases[phase].add(value)
	}
}

func (r *ring) add(value time.Duration) {
	if len(r.values) < window {
		r.values = append(r.values, value)
		return
	}
	r.values[r.oldest] = value
	r.oldest = (r.oldest + 1) % window
}

// figures returns what is told of the samples. It is shared, and not to be changed.
func (s *samples) figures() *appsv1beta1.UpdateTimes {
	if s.told != nil {
		return s.told
	}
	s.told = &appsv1beta1.UpdateTimes{Revision: s.revision, Updates: int32(s.count)}
	for _, phase := range inplace.UpdatePhases() {
		if r := s.phases[phase]; r != nil {
			s.told.Phases = append(s.told.Phases, r.figures(phase))
		}
	}
	return s.told
}

func (r *ring) figures(phase appsv1beta1.UpdatePhase) appsv1beta1.PhaseTimes {
	sorted := slices.Sorted(slices.Values(r.values))
	return appsv1beta1.PhaseTimes{
		Phase: phase, Count: int32(len(sorted)),
		P50: metav1.Duration{Duration: rounded(percentile(sorted, 50))}, P95: metav1.Duration{Duration: rounded(percentile(sorted, 95))},
	}
}

// percentile returns the smallest of some sorted values that so many of a hundred do not exceed.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

// rounded returns a time with no more digits than mean something, so that what is told of many updates does not change with
// each of them.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond)
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
