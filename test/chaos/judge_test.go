package chaos

import (
	"fmt"
	"maps"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// judge goes through what a witness saw, and holds it against the invariants.
type judge struct {
	replicas, maxUnavailable int

	set       *appsv1beta1.CloneSet
	pods      map[string]*podSeen
	slices    map[string]*sliceSeen
	available int
	// worst is the least number of available pods after a drain.
	worst   int
	drained int
	faults  []string
	// past is what became of a pod's service, for the explanation of a fault.
	past map[string][]string
}

// newJudge returns a judge of CloneSets without surge and minReadySeconds.
func newJudge(replicas, maxUnavailable int) *judge {
	return &judge{
		replicas: replicas, maxUnavailable: maxUnavailable, worst: replicas,
		pods: map[string]*podSeen{}, slices: map[string]*sliceSeen{}, past: map[string][]string{},
	}
}

// hear takes in one version of an object after the other.
func (j *judge) hear(s sighting) {
	switch {
	case s.set != nil:
		j.set = s.set
		j.honest(s)
	case s.slice != nil:
		j.slice(s)
	case s.pod != nil:
		j.pod(s)
	}
}

// slice takes in an EndpointSlice, and whose endpoints it turns on or off.
func (j *judge) slice(s sighting) {
	before := j.slices[s.slice.name]
	j.slices[s.slice.name] = s.slice
	for uid := range s.slice.serving {
		if before == nil || !before.serving[uid] {
			j.tell(s, uid, "serving by "+s.slice.name)
		}
	}
	if before == nil {
		return
	}
	for uid := range before.serving {
		if !s.slice.serving[uid] {
			j.tell(s, uid, "not serving by "+s.slice.name)
		}
	}
}

// tell adds to a pod's past.
func (j *judge) tell(s sighting, uid, what string) {
	j.past[uid] = append(j.past[uid], fmt.Sprintf("%s at %d (%s)", what, s.revision, s.at.Format("05.000")))
}

func (j *judge) accuse(s sighting, format string, args ...any) {
	j.faults = append(j.faults, fmt.Sprintf("at revision %d: ", s.revision)+fmt.Sprintf(format, args...))
}

func (j *judge) pod(s sighting) {
	pod := s.pod
	before := j.pods[pod.uid]
	j.pods[pod.uid] = pod
	if before.available() {
		j.available--
	}
	if pod.available() {
		j.available++
	}
	if before == nil {
		j.surge(s)
		return
	}
	if pod.gone {
		j.accuse(s, "I5: pod %s is deleted", pod.name)
	}
	if before.ready != pod.ready {
		j.tell(s, pod.uid, fmt.Sprintf("ready %t", pod.ready))
	}
	if before.gate != pod.gate {
		j.tell(s, pod.uid, fmt.Sprintf("gate %t", pod.gate))
	}
	if before.gate && !pod.gate {
		j.drain(s)
	}
	if !maps.Equal(before.images, pod.images) {
		j.patched(s)
	}
	if before.revision != pod.revision {
		j.partition(s)
	}
	j.identity(s, before)
}

// surge is I2.
func (j *judge) surge(s sighting) {
	if len(j.pods) > j.replicas {
		j.accuse(s, "I2: pod %s is created, the %dth of %d", s.pod.name, len(j.pods), j.replicas)
	}
}

// drain is I1: nobody else takes pods out of service here.
func (j *judge) drain(s sighting) {
	j.drained++
	j.worst = min(j.worst, j.available)
	if j.available < j.replicas-j.maxUnavailable {
		j.accuse(s, "I1: the drain of %s leaves %d available pods", s.pod.name, j.available)
	}
}

// patched is I4.
func (j *judge) patched(s sighting) {
	if s.pod.gate || s.pod.ready {
		j.accuse(s, "I4: an image of %s is set while the pod is ready", s.pod.name)
	}
	for _, slice := range j.slices {
		if slice.serving[s.pod.uid] {
			j.accuse(s, "I4: an image of %s is set while an endpoint of it is serving: %s", s.pod.name, j.past[s.pod.uid])
		}
	}
}

// partition is I3.
func (j *judge) partition(s sighting) {
	partition := j.set.Spec.UpdateStrategy.RollingUpdate.Partition
	old := 0
	for _, pod := range j.pods {
		if pod.revision != s.pod.revision {
			old++
		}
	}
	if partition != nil && old < partition.IntValue() {
		j.accuse(s, "I3: pod %s leaves its revision, at which only %d pods remain", s.pod.name, old)
	}
}

// identity is I5: containers whose image did not change are not restarted, the others once.
func (j *judge) identity(s sighting, before *podSeen) {
	for name, id := range before.containers {
		if id != "" && id != s.pod.containers[name] && name != framework.MainContainer {
			j.accuse(s, "I5: container %s of %s is restarted", name, s.pod.name)
		}
	}
	if s.pod.restarts > 1 && s.pod.restarts != before.restarts {
		j.accuse(s, "I5: the web server of %s is restarted a second time", s.pod.name)
	}
}

// honest is I8.
func (j *judge) honest(s sighting) {
	if s.set.Status.ObservedGeneration != s.set.Generation {
		return
	}
	updated := int32(0)
	for _, pod := range j.pods {
		if pod.runs == s.set.Spec.Template.Spec.Containers[0].Image {
			updated++
		}
	}
	if counted := s.set.Status.UpdatedReplicas; counted > updated {
		j.accuse(s, "I8: %d pods are counted updated, %d are", counted, updated)
	}
}
