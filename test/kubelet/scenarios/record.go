package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Record is what a pod has shown, version by version.
type Record []Entry

// Entry is one version of a pod: its state, and when it was there.
type Entry struct {
	At    time.Time
	State string
}

// States returns the different states in their order. Those that lasted for less than [Brief] begin with ~; of the last
// one it is not known.
func (r Record) States() []string {
	var states []string
	var since time.Time
	last := ""
	for _, e := range r {
		if e.State == last {
			continue
		}
		if len(states) > 0 && e.At.Sub(since) < Brief {
			states[len(states)-1] = brief + states[len(states)-1]
		}
		states, since, last = append(states, e.State), e.At, e.State
	}
	return states
}

// String returns the states as [Scenario.Shows] has them, one a line.
func (r Record) String() string { return strings.Join(numbered(r.States()), "\n") }

// Compare returns why what was seen is not what a scenario shows, or nothing. With merged, brief states may be missing.
func Compare(shows []string, seen Record, merged bool) string {
	got := numbered(unmarked(seen.States()))
	for _, want := range possible(shows, merged) {
		if slices.Equal(numbered(want), got) {
			return ""
		}
	}
	return fmt.Sprintf("the pod showed\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(shows, "\n  "))
}

// possible returns all that may be seen: the states without any of those that are brief. What is the same with nothing in
// between is one state.
func possible(shows []string, merged bool) [][]string {
	all := [][]string{nil}
	for _, state := range shows {
		plain, isBrief := strings.CutPrefix(state, brief)
		without := all
		all = nil
		for _, before := range without {
			if isBrief && merged {
				all = append(all, before)
			}
			if len(before) > 0 && before[len(before)-1] == plain {
				all = append(all, before)
				continue
			}
			all = append(all, append(slices.Clone(before), plain))
		}
	}
	return all
}

const brief = "~"

func unmarked(states []string) []string {
	plain := make([]string, len(states))
	for i := range states {
		plain[i] = strings.TrimPrefix(states[i], brief)
	}
	return plain
}

var identity = regexp.MustCompile(`[#@][^, ]+`)

// numbered replaces the IDs of containers and images by numbers, in the order in which they appear.
func numbered(states []string) []string {
	numbers := map[string]string{}
	count := map[byte]int{}
	result := make([]string, len(states))
	for i, state := range states {
		result[i] = identity.ReplaceAllStringFunc(state, func(id string) string {
			if numbers[id] == "" {
				count[id[0]]++
				numbers[id] = fmt.Sprintf("%c%d", id[0], count[id[0]])
			}
			return numbers[id]
		})
	}
	return result
}

// Describe writes the generation that the kubelet has seen; then for each container its state, the ID of the container
// and the digest of its image as the status tells them, the number of restarts, and what it has of resources; then how a resize
// goes, if there is one, and whether the pod is ready.
func Describe(pod *corev1.Pod) string {
	if pod == nil {
		return "gone"
	}
	parts := []string{fmt.Sprint(pod.Status.ObservedGeneration)}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		_, digest, _ := strings.Cut(c.ImageID, "@")
		parts = append(parts, fmt.Sprintf("%s:%s,%s,%s,%d%s",
			c.Name, stateOf(c.State), marked('#', c.ContainerID), marked('@', digest), c.RestartCount, resourcesOf(&c)))
	}
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type == corev1.PodResizePending && c.Status == corev1.ConditionTrue:
			parts = append(parts, strings.ToLower(c.Reason))
		case c.Type == corev1.PodResizeInProgress && c.Status == corev1.ConditionTrue:
			parts = append(parts, "resizing")
		}
	}
	ready := "unready"
	if isReady(pod) {
		ready = "ready"
	}
	return strings.Join(append(parts, ready), " ")
}

// resourcesOf writes requests and limits of cpu and memory, if there are any.
func resourcesOf(c *corev1.ContainerStatus) string {
	text := ""
	if c.Resources == nil {
		return text
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, requested := c.Resources.Requests[name]
		limit, limited := c.Resources.Limits[name]
		if requested {
			text += "," + request.String()
		}
		if limited {
			text += "<" + limit.String()
		}
	}
	return text
}

func marked(mark byte, id string) string {
	if id == "" {
		return "-"
	}
	return string(mark) + id
}

func stateOf(s corev1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running"
	case s.Terminated != nil && (s.Terminated.Reason == "Completed" || s.Terminated.Reason == "Error"):
		return "ended" // What it ends with is up to the program.
	case s.Terminated != nil:
		return s.Terminated.Reason
	case s.Waiting != nil:
		return s.Waiting.Reason
	}
	return "unknown"
}
