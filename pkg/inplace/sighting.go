package inplace

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Sighting is what one process saw of a pod over time. It is lost with the process; without it a drain starts its grace
// period anew and a confirmation may take longer, no more.
type Sighting struct {
	// DrainedSince is when the pod was first seen drained, by a monotonic clock. It is zero while the pod is not.
	DrainedSince time.Time

	// ReleasedSince is when the drained pod was first seen to be released, by a monotonic clock. It is zero while it is not.
	ReleasedSince time.Time

	// ReadySince is when a ready pod was first seen that says it became ready in the future. It is zero for all others.
	ReadySince time.Time

	// unreadySince is when the pod was seen to become not ready. It is zero if it was so when it was first seen.
	unreadySince time.Time

	generation int64
	first      map[string]string
	current    map[string]running
	pull       map[string]Problem

	// text is what the pod's annotation of its State was when it was last seen, and state what it says. It is asked for many
	// times while the pod is on its way.
	text  string
	state *State
}

// running is a container and since when it was seen.
type running struct {
	containerID string
	since       time.Time
}

// See returns the sighting with a further status of the pod in it; the receiver, which may be nil, stays as it is. It is
// to be called with every status that arrives: one that is missed makes a confirmation slower.
func (s *Sighting) See(pod *corev1.Pod, now time.Time) *Sighting {
	next := s.at(now)
	if SaysReady(pod) || isTrue(Condition(pod, appsv1beta1.InPlaceUpdateReady)) {
		// A kubelet that was cut off may report what it knew before: for a moment the pod is in service again, and what
		// was drained has to be counted anew. So it has where the pod was brought back, and is drained once more.
		next.DrainedSince, next.ReleasedSince = time.Time{}, time.Time{}
	}
	next.text, next.state = pod.Annotations[appsv1beta1.InPlaceStateAnnotation], next.read(pod)
	state := next.stateOf(pod)
	if state == nil {
		return next
	}
	if asked := askedAt(pod, state); next.generation != asked {
		next = &Sighting{
			DrainedSince: next.DrainedSince, ReleasedSince: next.ReleasedSince, unreadySince: next.unreadySince, generation: asked,
			text: next.text, state: next.state,
		}
	}
	for _, name := range state.undone() {
		if status := containerStatus(pod, name); status != nil && reached(pod, state) {
			next.see(status, now)
		}
	}
	return next
}

// read returns what the annotation of a pod says of its State. It must not be changed.
func (s *Sighting) read(pod *corev1.Pod) *State {
	if s != nil && s.text != "" && s.text == pod.Annotations[appsv1beta1.InPlaceStateAnnotation] {
		return s.state
	}
	return ReadState(pod)
}

// stateOf returns the State of a pod that can be trusted, or nil. It must not be changed.
func (s *Sighting) stateOf(pod *corev1.Pod) *State { return trustedOf(pod, s.read(pod)) }

// at returns a copy of the sighting, to be changed. A clock that went back would have what was seen before it did wait
// until it is there again: that counts anew.
func (s *Sighting) at(now time.Time) *Sighting {
	if s == nil {
		return &Sighting{}
	}
	next := *s
	next.first, next.current, next.pull = maps.Clone(s.first), maps.Clone(s.current), maps.Clone(s.pull)
	for name, r := range next.current {
		next.current[name] = running{containerID: r.containerID, since: earlier(r.since, now)}
	}
	next.DrainedSince, next.unreadySince = earlier(s.DrainedSince, now), earlier(s.unreadySince, now)
	next.ReadySince, next.ReleasedSince = earlier(s.ReadySince, now), earlier(s.ReleasedSince, now)
	return &next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *Sighting) see(status *corev1.ContainerStatus, now time.Time) {
	if s.first == nil {
		s.first, s.current, s.pull = map[string]string{}, map[string]running{}, map[string]Problem{}
	}
	if _, ok := s.first[status.Name]; !ok {
		s.first[status.Name] = status.ContainerID
	}
	if s.current[status.Name].containerID != status.ContainerID {
		s.current[status.Name] = running{containerID: status.ContainerID, since: now}
		delete(s.pull, status.Name)
	}
	// One second after a failed pull the kubelet speaks of CrashLoopBackOff; the registry's own words are gone by then.
	if waiting := status.State.Waiting; waiting != nil && isPullFailure(waiting.Reason) && waiting.Message != "" {
		s.pull[status.Name] = Problem{Reason: waiting.Reason, Message: waiting.Message}
	}
}

// SeeDrained returns the sighting with whether the pod is drained in it, and released; the receiver, which may be nil,
// stays as it is.
func (s *Sighting) SeeDrained(drained, released bool, now time.Time) *Sighting {
	if s.tells(drained, released, now) {
		return s
	}
	next := s.at(now)
	next.DrainedSince = begun(next.DrainedSince, drained, now)
	next.ReleasedSince = begun(next.ReleasedSince, drained && released, now)
	return next
}

// tells tells whether the sighting says already whether the pod is drained, and released, and nothing of later than now.
func (s *Sighting) tells(drained, released bool, now time.Time) bool {
	if s == nil || drained == s.DrainedSince.IsZero() || (drained && released) == s.ReleasedSince.IsZero() {
		return false
	}
	for _, r := range s.current {
		if r.since.After(now) {
			return false
		}
	}
	return !s.DrainedSince.After(now) && !s.ReleasedSince.After(now) && !s.unreadySince.After(now) && !s.ReadySince.After(now)
}

// begun returns since when something holds that holds now, or does not.
func begun(since time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case since.IsZero():
		return now
	}
	return since
}

// SeeReady returns the sighting with the time in it at which the pod was first seen ready; the receiver, which may be nil,
// stays as it is.
func (s *Sighting) SeeReady(now time.Time) *Sighting {
	next := s.at(now)
	if next.ReadySince.IsZero() {
		next.ReadySince = now
	}
	return next
}

// SeeUnready returns the sighting with the time at which the pod was seen to become not ready; the receiver, which may be
// nil, stays as it is.
func (s *Sighting) SeeUnready(now time.Time) *Sighting {
	next := s.at(now)
	next.unreadySince = now
	return next
}

// changedSince tells whether a container is another than in the first status seen at the patch's generation.
func (s *Sighting) changedSince(name, containerID string) bool {
	if s == nil {
		return false
	}
	first, ok := s.first[name]
	return ok && first != containerID
}

// seenSince returns when a container was first seen, or the zero time if it was not.
func (s *Sighting) seenSince(name, containerID string) time.Time {
	if s == nil || s.current[name].containerID != containerID {
		return time.Time{}
	}
	return s.current[name].since
}
