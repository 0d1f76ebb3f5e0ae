package plan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// member is a pod and what there is to know of it.
type member struct {
	pod      *corev1.Pod
	revision string
	progress inplace.Progress
	seen     *inplace.Sighting
	ready    bool
	// available is ready for minReadySeconds.
	available bool
	// shaky tells that a container of the pod ended by itself a moment ago: it may look ready between two crashes.
	shaky bool
}

// view is what one walk over the pods finds.
type view struct {
	// old and updated are the pods that are neither terminating nor ended, by revision.
	old, updated []*member
	// strangers are pods whose labels do not match the selector any more.
	strangers []*corev1.Pod
	// names are the names in use.
	names map[string]bool
	// available is the number of available pods, and unavailableUpdated that of updated ones that are not.
	available, unavailableUpdated int
	wake                          time.Duration
}

// look walks over the pods once.
func look(in *Input, l limits, selector labels.Selector) *view {
	v := &view{names: make(map[string]bool, len(in.Pods))}
	digests := digestsOf(in)
	for _, pod := range in.Pods {
		v.names[pod.Name] = true
		switch {
		case pod.DeletionTimestamp != nil, hasEnded(pod):
		case !selector.Matches(labels.Set(pod.Labels)):
			v.strangers = append(v.strangers, pod)
		default:
			v.add(in, l, pod, digests)
		}
	}
	return v
}

// hasEnded tells whether a pod will never run again. Such pods are left to the cluster's garbage collection, as those of
// a Deployment are.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func (v *view) add(in *Input, l limits, pod *corev1.Pod, digests inplace.Digests) {
	m := &member{pod: pod, revision: pod.Labels[appsv1beta1.RevisionLabel], seen: in.Sightings[pod.UID]}
	m.progress = inplace.ProgressOf(pod, m.seen, digests, in.Now)
	v.later(m.progress.Wait)
	if m.ready = inplace.IsReady(pod); m.ready {
		left := readyLeft(pod, l.minReady, in.Now)
		m.available = left <= 0
		v.later(left)
	}
	if m.available {
		v.available++
	}
	if m.revision != in.Revisions.Update.Name {
		v.old = append(v.old, m)
		return
	}
	v.updated = append(v.updated, m)
	crash := inplace.CrashedLeft(pod, in.Now)
	m.shaky = crash > 0
	v.later(crash)
	if !m.available || m.shaky {
		v.unavailableUpdated++
	}
}

// later takes note that time alone changes something after a while.
func (v *view) later(wait time.Duration) {
	if wait > 0 {
		v.wake = inplace.Sooner(v.wake, wait)
	}
}

// readyLeft returns for how much longer a ready pod has to be ready to be available.
func readyLeft(pod *corev1.Pod, minReady time.Duration, now time.Time) time.Duration {
	since := inplace.Condition(pod, corev1.PodReady).LastTransitionTime.Time
	return minReady - now.Sub(since)
}

// isUpdated tells whether the pod was seen to run the update revision.
func (m *member) isUpdated() bool {
	return m.progress.Phase != inplace.PhaseRestarting && m.pod.Status.Phase == corev1.PodRunning
}

// digestsOf returns what is known of images: the digests that they have on pods whose gate is on. It is computed when it
// is first asked for, since few passes need it.
func digestsOf(in *Input) inplace.Digests {
	var known map[string][]string
	return func(image string) []string {
		if known == nil {
			known = inplace.KnownDigests(in.Pods)
		}
		return known[image]
	}
}
