package plan

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// member is a pod and what there is to know of it.
type member struct {
	pod      *corev1.Pod
	revision string
	// old tells that the revision is not the update revision.
	old      bool
	progress inplace.Progress
	seen     *inplace.Sighting
	// resolved is what brings the pod to the update revision, where that is another thing for every pod.
	resolved *resolved
	// state is what the pod waits for, where hooks are in effect.
	state appsv1beta1.LifecycleState
	// specified tells that the user wants the pod deleted.
	specified bool
	// excluded tells that the pod waits to be deleted, and does not count as a replica meanwhile.
	excluded bool
	// surge tells that the pod is beyond replicas for the update.
	surge bool
	// bound tells that the pod waits to be deleted for its update, and counts as no replica: it is updated first of all.
	bound bool
	// chosen tells that the pod is to be updated before those that come later in the order.
	chosen bool
	ready  bool
	// available is ready for minReadySeconds, not waiting for a hook, and not about to restart in service.
	available bool
	priority  priority
	// exempt tells that no PodDisruptionBudget is asked before the pod goes, and placed that there are places for it in some.
	exempt, placed bool
	// kind tells which terms of the scatterStrategy the pod matches.
	kind string
	// nodeRank and zoneRank are how many pods of the same node, or zone, come before.
	nodeRank, zoneRank int
	// spared are the pending containers of an old pod that are not restarted on the way to the update revision.
	spared []string
	// refusal is what the API server said to the resize of the pod, if it refused it.
	refusal string
	// owed are the resources that the pod was promised and that it waits for in service, or being drained, or nil: containers are
	// restarted for them.
	owed *inplace.Change
	// unresizable is why the pod is to be replaced, though it is at the update revision: it does not get its resources. It is
	// specified then.
	unresizable string
	// shaky tells that a container of the pod ended by itself a moment ago: it may look ready between two crashes.
	shaky bool
	// fault is why the pod has failed at the update revision, if it has.
	fault *inplace.Fault
}

// view is what one walk over the pods finds.
type view struct {
	// old and updated are the pods that are neither terminating nor ended, by revision.
	old, updated []*member
	// strangers are pods whose labels do not match the selector any more.
	strangers []*corev1.Pod
	// terminating are pods that somebody has deleted.
	terminating []*corev1.Pod
	// ended are pods that will never run again.
	ended []*corev1.Pod
	// available is the number of available pods, and unavailableUpdated that of updated ones that are not.
	available, unavailableUpdated int
	// resizing is the number of updated pods whose resize is on its way, and unresized that of those that do not get it where
	// they are, or are not let have it.
	resizing, unresized int
	wake                time.Duration
}

// look walks over the pods once.
func look(in *Input, l limits, selector labels.Selector, f *failures) *view {
	v, members := &view{}, make([]member, len(in.Pods))
	named := sets.New(in.Set.Spec.ScaleStrategy.PodsToDelete...)
	digests := digestsOf(in)
	for i, pod := range in.Pods {
		switch {
		case pod.DeletionTimestamp != nil:
			v.terminating = append(v.terminating, pod)
		case hasEnded(pod):
			v.ended = append(v.ended, pod)
		case !selector.Matches(labels.Set(pod.Labels)):
			v.strangers = append(v.strangers, pod)
		default:
			_, labelled := pod.Labels[appsv1beta1.SpecifiedDeleteLabel]
			m := &members[i]
			m.pod, m.specified, m.revision = pod, labelled || named.Has(pod.Name), pod.Labels[appsv1beta1.RevisionLabel]
			m.old = f.isOld(m.revision, in)
			v.add(in, l, m, digests)
		}
	}
	return v
}

// hasEnded tells whether a pod will never run again. Such pods are left to the cluster's garbage collection, as those of
// a Deployment are.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func (v *view) add(in *Input, l limits, m *member, digests inplace.Digests) {
	pod := m.pod
	m.seen = in.Sightings[pod.UID]
	m.state = stateOf(in.Set, pod)
	m.progress = inplace.ProgressOf(pod, m.seen, digests, in.Now)
	m.learn(in)
	m.owe(in)
	v.later(m.progress.Wait)
	v.assess(in, l, m)
	if m.available {
		v.available++
	}
	if m.old {
		m.spared = inplace.Spared(pod, &m.progress, in.Revisions.Update.Template, in.Revisions.Templates)
		v.old = append(v.old, m)
		return
	}
	v.updated = append(v.updated, m)
	crash := inplace.CrashedLeft(pod, in.Now)
	m.shaky = crash > 0
	v.later(crash)
	if m.revision == in.Revisions.Update.Name {
		v.countResize(m)
	}
	if (!m.available || m.shaky) && !m.preparing() && m.revision == in.Revisions.Update.Name {
		v.unavailableUpdated++
	}
}

// assess tells whether a pod is ready and available.
func (v *view) assess(in *Input, l limits, m *member) {
	if m.ready = inplace.IsReady(m.pod); !m.ready {
		return
	}
	left := readyLeft(m, l.minReady, in.Now)
	v.later(left)
	m.available = left <= 0 && !m.isRestarting() && (m.state == "" || m.state == appsv1beta1.LifecycleNormal)
}

// down returns the pods that are not ready. An EndpointSlice may say for a while that they are serving.
func (v *view) down() map[types.UID]bool {
	down := map[types.UID]bool{}
	for _, list := range [][]*member{v.old, v.updated} {
		for _, m := range list {
			if !m.ready {
				down[m.pod.UID] = true
			}
		}
	}
	for _, pod := range slices.Concat(v.terminating, v.ended) {
		down[pod.UID] = true
	}
	return down
}

// later takes note that time alone changes something after a while.
func (v *view) later(wait time.Duration) {
	if wait > 0 {
		v.wake = inplace.Sooner(v.wake, wait)
	}
}

// readyLeft returns for how much longer a ready pod has to be ready to be available. A pod that became ready in the
// future, by our clock, is counted from when it was first seen so: one of the clocks is wrong, or was set.
func readyLeft(m *member, minReady time.Duration, now time.Time) time.Duration {
	if minReady <= 0 {
		return 0
	}
	since := inplace.Condition(m.pod, corev1.PodReady).LastTransitionTime.Time
	if since.After(now) && m.seen != nil && !m.seen.ReadySince.IsZero() {
		since = m.seen.ReadySince
	}
	return min(minReady-now.Sub(since), minReady)
}

// preparing tells whether the pod waits to be deleted.
func (m *member) preparing() bool { return m.state == appsv1beta1.LifecyclePreparingDelete }

// isUpdated tells whether the pod was seen to run the update revision. One that was patched in service and is drained before
// its containers run is none.
func (m *member) isUpdated() bool {
	return m.progress.Phase != inplace.PhaseRestarting && len(m.progress.Unconfirmed)+len(m.progress.Pending) == 0 &&
		!m.progress.Resize.IsOpen() &&
		m.pod.Status.Phase == corev1.PodRunning
}

// digestsOf returns what is known of images: the digests that they have on pods whose gate is on, and that nodes have pulled
// in rehearsals. It is computed when it
// is first asked for, since few passes need it.
func digestsOf(in *Input) inplace.Digests {
	var known map[string][]string
	return func(image string) []string {
		if digest := inplace.RegistryDigest(image); digest != "" {
			return []string{digest} // The image says so itself.
		}
		if known == nil {
			known = inplace.KnownDigests(in.Pods)
			rehearsedDigests(in.Rehearsals, known)
		}
		return known[image]
	}
}
