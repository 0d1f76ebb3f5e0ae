package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/kubelet"
)

const (
	// tip is an image whose tag moves, and loaded one that no registry has, but every node.
	tip, loaded = "app:tip", "app:loaded"
)

// registry has the images, by tag and by digest.
type registry struct {
	tags     kubelet.ImageTable
	contents map[string]kubelet.Image
	// meant are the digests that each tag has had.
	meant map[string][]string
	moves int
}

func newRegistry() *registry {
	r := &registry{tags: images(), contents: map[string]kubelet.Image{}, meant: map[string][]string{}}
	for _, tag := range slices.Sorted(maps.Keys(r.tags)) {
		r.push(tag, r.tags[tag])
	}
	return r
}

// push has a tag mean an image.
func (r *registry) push(tag string, image kubelet.Image) {
	if image.Digest == "" {
		image.Digest = kubelet.DigestOf(tag)
	}
	r.tags[tag] = image
	r.meant[tag] = append(r.meant[tag], image.Digest)
	if known, ok := r.contents[image.Digest]; !ok || known.DigestUnknown {
		r.contents[image.Digest] = image
	}
}

// Image is what comes of asking for an image. What no registry has cannot be had by its digest.
func (r *registry) Image(ref string) kubelet.Image {
	_, digest, byDigest := strings.Cut(ref, "@")
	if !byDigest {
		return r.tags[ref]
	}
	image, ok := r.contents[digest]
	if !ok || image.DigestUnknown {
		return kubelet.Image{Digest: digest, PullTime: time.Second / 5, PullError: "manifest unknown"}
	}
	return image
}

// moveTag has the tag that moves mean another image.
func (r *run) moveTag(*rapid.T) {
	r.registry.moves++
	r.note("the tag of %s moves", tip)
	r.registry.push(tip, kubelet.Image{
		Digest: kubelet.DigestOf(fmt.Sprintf("%s-%d", tip, r.registry.moves)), ReadyDelay: time.Second, PullTime: time.Second,
	})
}

// digests draws what is made of digests.
func digests(t *rapid.T) func(*spec) {
	same := rapid.SampledFrom([]appsv1beta1.SameImage{
		appsv1beta1.SkipSameImage, appsv1beta1.SkipSameImage, appsv1beta1.RestartSameImage,
	}).Draw(t, "sameImage")
	pin := rapid.SampledFrom([]appsv1beta1.PinPolicy{
		appsv1beta1.PinDigest, appsv1beta1.PinDigest, appsv1beta1.PinNone,
	}).Draw(t, "pin")
	return func(s *spec) { inPlaceOf(s).SameImage, inPlaceOf(s).Pin = same, pin }
}

// noteDigests takes note of what a spec makes of digests.
func (r *run) noteDigests(s *spec) {
	r.skipped = r.skipped || inPlaceOf(s).SameImage == appsv1beta1.SkipSameImage
	r.pinnedOnce = r.pinnedOnce || inPlaceOf(s).Pin == appsv1beta1.PinDigest
}

// restartAll draws a restart, or a way back from one.
func restartAll(t *rapid.T) (what string, edit func(*spec)) {
	times := []string{"2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z", "2026-01-01T14:00:00Z", "now", ""}
	at := rapid.SampledFrom(times).Draw(t, "restartedAt")
	return "restart at " + at, func(s *spec) {
		s.Template.Annotations = maps.Clone(s.Template.Annotations)
		if s.Template.Annotations == nil {
			s.Template.Annotations = map[string]string{}
		}
		if s.Template.Annotations[appsv1beta1.RestartedAtAnnotation] = at; at == "" {
			delete(s.Template.Annotations, appsv1beta1.RestartedAtAnnotation)
		}
	}
}

// restarts tells whether a template asks for a restart that another one did not ask for: those drawn above compare as their
// times do, and what is no time is always another one.
func restarts(old, new *corev1.PodTemplateSpec) bool {
	if old == nil || new == nil {
		return false
	}
	before, after := old.Annotations[appsv1beta1.RestartedAtAnnotation], new.Annotations[appsv1beta1.RestartedAtAnnotation]
	return after != "" && after != before && (before == "now" || after > before)
}

// due are the restarts of a pod that were asked for: its containers are to have been started more often than that at a revision.
type due struct {
	revision string
	starts   map[string]int
}

// restartsLater takes note of which containers of a pod are to be restarted by a patch that was made.
func (c *checker) restartsLater(a *plan.Action) {
	if a.Kind != plan.UpdateInPlace {
		return
	}
	defer c.countRestart(a)
	if !leavesRevision(a, c.in.Revisions.Update.Name) || c.atUpdate(a.Pod) {
		return
	}
	if !restarts(c.in.Revisions.Templates[a.Pod.Labels[appsv1beta1.RevisionLabel]], c.in.Revisions.Update.Template) {
		return
	}
	owed := due{c.in.Revisions.Update.Name, map[string]int{}}
	rehearsal := inPlaceOf(&c.set.Spec).Rehearsal
	rehearses := rehearsal.Policy == appsv1beta1.RehearseAlways && rehearsal.WhenImpossible == appsv1beta1.WaitWhenImpossible
	for _, container := range containersIn(&a.Pod.Spec) {
		seen := rehearses && a.Pod.Spec.NodeName != "" || wasStarted(a.Pod, container.Name)
		if _, runs := c.run.world.TrulyRuns(a.Pod.UID, container.Name); runs && seen {
			owed.starts[container.Name] = c.run.world.Starts(a.Pod.UID, container.Name)
		}
	}
	c.run.owed[a.Pod.UID] = owed
}

// wasStarted tells whether a container of a pod was seen to have been started, and is not about to be restarted anyway: then
// nobody knows what it could be restarted with, where nobody rehearses.
func wasStarted(pod *corev1.Pod, name string) bool {
	begun := gateOf(pod) == corev1.ConditionFalse && strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], `"`+name+`"`)
	return !begun && slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses),
		func(s corev1.ContainerStatus) bool { return s.Name == name && s.ContainerID != "" })
}

// countRestart takes note that the container whose image never changes is restarted, as was asked for.
func (c *checker) countRestart(a *plan.Action) {
	if _, asked := c.run.owed[a.Pod.UID]; asked && slices.Contains(restarted(a.Patch, a.Pod), steady) {
		c.run.steadies[a.Pod.UID]++
	}
}

// owes tells whether a container of a pod runs on that is still to be restarted.
func (r *run) owes(pod *corev1.Pod, container, revision string) bool {
	owed, ok := r.owed[pod.UID]
	starts, ran := owed.starts[container]
	_, runs := r.world.TrulyRuns(pod.UID, container)
	return ok && ran && runs && owed.revision == revision && r.world.Starts(pod.UID, container) <= starts
}

// runsWhat tells whether a container runs an image: by its name, or by the same name with a digest that it has had. Where what is
// the same is not restarted, any name of such a digest is as good.
func (r *run) runsWhat(pod *corev1.Pod, container, image string) (runs, running bool) {
	name, running := r.world.TrulyRuns(pod.UID, container)
	if !running || name == image {
		return running, running
	}
	digest, _ := r.world.TrueDigest(pod.UID, container)
	known := r.registry.meant[image]
	if len(known) == 0 {
		known = []string{kubelet.DigestOf(image)}
	}
	tagged, _, byDigest := strings.Cut(name, "@")
	standsFor := byDigest && (tagged == image || !strings.Contains(tagged, ":"))
	return slices.Contains(known, digest) && (standsFor || r.skipped), true
}

// pinned is I13: all pods of a revision get the digest that was chosen first, and once it is recorded none gets a tag alone.
func (c *checker) pinned(a *plan.Action) {
	revision := c.in.Revisions.Update
	if inPlaceOf(&c.set.Spec).Pin != appsv1beta1.PinDigest || c.late || c.run.edited[a.Pod.UID] {
		return
	}
	asked := given(a, revision.Name)
	for _, wanted := range containersIn(&revision.Template.Spec) {
		key := revision.Name + " " + wanted.Image
		image, ok := asked[wanted.Name]
		if !ok || image == wanted.Image && c.run.chosen[key] == "" {
			continue
		}
		_, digest, _ := strings.Cut(image, "@")
		if first := c.run.chosen[key]; first != "" && first != digest && c.run.knows(revision.Name, wanted.Image) {
			c.run.fail("I13: %s gives %s another digest than %s", a, wanted.Image, first)
		}
		c.run.chosen[key] = digest
	}
}

// given returns the images that an action gives a pod of a revision, by container.
func given(a *plan.Action, revision string) map[string]string {
	images := imagesOf(a.Patch)
	switch {
	case a.Kind == plan.CreatePod && a.Pod.Labels[appsv1beta1.RevisionLabel] != revision, !leavesRevision(a, revision):
		return nil
	case a.Kind == plan.CreatePod:
		for _, container := range containersIn(&a.Pod.Spec) {
			images[container.Name] = container.Image
		}
		return images
	}
	changed := restarted(a.Patch, a.Pod)
	maps.DeleteFunc(images, func(name, _ string) bool { return !slices.Contains(changed, name) })
	return images
}

// knows tells whether anything tells which digest was chosen: the revision, or a pod of it.
func (r *run) knows(revision, image string) bool {
	at := r.history.find(revision)
	if at >= 0 && strings.Contains(r.history.kept[at].Annotations[appsv1beta1.DigestsAnnotation], image) {
		return true
	}
	return slices.ContainsFunc(r.owned(), func(pod *corev1.Pod) bool {
		return pod.Labels[appsv1beta1.RevisionLabel] == revision && slices.ContainsFunc(containersIn(&pod.Spec),
			func(c *corev1.Container) bool { return inplace.StandsFor(c.Image, image) && c.Image != image })
	})
}

// forgetChoices is called when a revision is deleted: what was chosen is forgotten with it.
func (r *run) forgetChoices(revision string) {
	maps.DeleteFunc(r.chosen, func(key, _ string) bool { return strings.HasPrefix(key, revision+" ") })
}

// kept is I5 for restarts: no pod is replaced for one, unless nobody can say what it would be restarted with.
func (c *checker) kept(a *plan.Action) {
	if c.late || c.policy() == appsv1beta1.ReCreatePodUpdatePolicy || isStranded(c.set, a.Pod) {
		return
	}
	// A pod that is at the revision already is restarted for nothing. It goes for what it is itself, of which I11 knows the
	// reasons: it has failed, or it does not get its resources. On a way back that is the revision to which pods are brought back.
	failure := c.set.Spec.UpdateStrategy.RollingUpdate.FailurePolicy.Action
	if (c.isAsked(a.Pod) || c.atUpdate(a.Pod)) && (mayBeReplaced(a.Pod) || failure == appsv1beta1.RecreateOnFailure) {
		return
	}
	old := c.in.Revisions.Templates[a.Pod.Labels[appsv1beta1.RevisionLabel]]
	isLoaded := func(c *corev1.Container) bool { return c.Image == loaded }
	update := c.in.Revisions.Update.Template
	if onlyMetadata(old, update) && !slices.ContainsFunc(containersIn(&update.Spec), isLoaded) {
		c.run.fail("I5: %s, which only a restart is asked for of", a)
	}
}
