package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// resolved is what brings one pod to the update revision, by the digests that are known.
type resolved struct {
	change *inplace.Change
	// used are the rehearsals that told of digests.
	used []*rehearsal
	// unknown are containers whose image has to be rehearsed to learn its digest.
	unknown []*corev1.Container
	// blind are images of which nobody but a pod can find out which digest all pods are to have.
	blind []string
	// skipped are containers that run what they are to run.
	skipped []string
}

// runs returns what a container of a pod was seen to run. Where that may be the container from before, it is believed of pods
// that are ready only: their kubelets have reported since.
func (p *planner) runs(m *member, name string) inplace.Running {
	running := p.believed(m, name)
	if !m.ready && !inplace.IsNew(m.pod, name) {
		running.Digest, running.Registry = "", inplace.RegistryDigest(running.Asked)
	}
	return running
}

// believed returns what a container of a pod runs, as far as anybody can say. Of an image that the controller has not given it,
// since somebody has set it by hand, or a webhook has, nothing is known: the status may still be that of the image from before.
func (p *planner) believed(m *member, name string) inplace.Running {
	running := inplace.Runs(m.pod, &m.progress, name)
	if !p.isOurs(m, name, running.Asked) {
		running.Digest, running.Registry = "", ""
	}
	return running
}

// isOurs tells whether a pod asks for an image because of its revision.
func (p *planner) isOurs(m *member, name, image string) bool {
	wanted := p.imageOf(m, name)
	return wanted != "" && (inplace.StandsFor(image, wanted) || sameImages(m.pod)[name] == image)
}

// imageOf returns the image that the revision of a pod has for a container, if that is known.
func (p *planner) imageOf(m *member, name string) string {
	if template := p.in.Revisions.Templates[m.revision]; template != nil {
		if c := inplace.ContainerOf(&template.Spec, name); c != nil {
			return c.Image
		}
	}
	return ""
}

// sameImages returns the images that containers of a pod go on with, since they are the same as those of its revision.
func sameImages(pod *corev1.Pod) map[string]string {
	var images map[string]string
	if data := pod.Annotations[appsv1beta1.SameImagesAnnotation]; data != "" && json.Unmarshal([]byte(data), &images) != nil {
		return nil // Somebody broke it.
	}
	return images
}

// recordSkipped has it written to a pod which images it goes on with.
func (r *resolved) recordSkipped(m *member) {
	if len(r.skipped) == 0 {
		return
	}
	images := map[string]string{}
	for name, image := range sameImages(m.pod) {
		changed := slices.ContainsFunc(r.change.Images, func(i inplace.Image) bool { return i.Container == name })
		if asked := inplace.Runs(m.pod, &m.progress, name).Asked; asked == image && !changed {
			images[name] = image
		}
	}
	for _, name := range r.skipped {
		images[name] = inplace.Runs(m.pod, &m.progress, name).Asked
	}
	annotations := maps.Clone(r.change.Annotations)
	if annotations == nil {
		annotations = map[string]*string{}
	}
	annotations[appsv1beta1.SameImagesAnnotation] = new(string(encode(images)))
	r.change.Annotations = annotations
}

// resolve returns the change of one pod: with the images by digest where a restart or a pin asks for that, without those
// that the pod runs already, where these are to be skipped, and without those of the containers that are spared.
func (p *planner) resolve(m *member, change *inplace.Change) *inplace.Change {
	if len(m.spared) > 0 {
		rest := *change
		rest.Images = slices.DeleteFunc(slices.Clone(change.Images), func(i inplace.Image) bool { return m.isSpared(i.Container) })
		change = &rest
	}
	if !change.InPlace() || (!p.isAboutDigests(change) && len(p.unpinned(m, change)) == 0) {
		return change
	}
	if m.resolved == nil {
		m.resolved = p.resolution(m, change)
	}
	return m.resolved.change
}

// isSpared tells whether a container that waits for others is not restarted after all: an update was taken back before its turn
// came. The name that it asks for its image by stays: without its digest, after a restart, it may mean another image by now.
func (m *member) isSpared(container string) bool { return slices.Contains(m.spared, container) }

// isAboutDigests tells whether it takes digests to say what a change is for one pod.
func (p *planner) isAboutDigests(change *inplace.Change) bool {
	if !change.Restarts() {
		return false
	}
	return p.skips() || p.pins.on || change.Restart
}

func (p *planner) skips() bool { return p.inPlace().SameImage == appsv1beta1.SkipSameImage }

func (p *planner) resolution(m *member, change *inplace.Change) *resolved {
	next := *change
	next.Images = nil
	r := &resolved{change: &next}
	for _, i := range change.Images {
		c := inplace.ContainerOf(&p.in.Revisions.Update.Template.Spec, i.Container)
		switch {
		case !i.Restarts || c == nil:
			next.Images = append(next.Images, i)
		case inplace.NeverRan(m.pod):
			p.resolveUnborn(m, c, i, r)
		case i.Again:
			p.resolveAgain(m, c, i, r)
		default:
			p.resolveNew(m, c, i, r)
		}
	}
	next.Images = append(next.Images, p.unpinned(m, change)...)
	r.recordSkipped(m)
	return r
}

// resolveUnborn decides on a container of a pod that no kubelet has: it gets what a new pod gets.
func (p *planner) resolveUnborn(m *member, c *corev1.Container, i inplace.Image, r *resolved) {
	if digest := p.pins.recorded[c.Image]; digest != "" {
		i.Image = inplace.Pinned(c.Image, digest)
	}
	if inplace.Runs(m.pod, &m.progress, c.Name).Asked == i.Image {
		return
	}
	r.change.Images = append(r.change.Images, i)
	if p.pins.isOpen(c.Image) {
		p.findOut(m, c, r)
	}
}

// resolveNew decides on a container whose image has changed.
func (p *planner) resolveNew(m *member, c *corev1.Container, i inplace.Image, r *resolved) {
	if digest := p.pins.recorded[c.Image]; digest != "" {
		i.Image = inplace.Pinned(c.Image, digest)
	}
	switch {
	case r.change.Restart && i.Image == inplace.Runs(m.pod, &m.progress, c.Name).Asked:
		p.resolveAgain(m, c, i, r) // It asks for the image already, and is to be restarted all the same.
		return
	case p.skips() && !r.change.Restart && p.isSame(m, c, i.Image, r):
		r.skipped = append(r.skipped, i.Container)
		return
	}
	r.change.Images = append(r.change.Images, i)
	if p.pins.isOpen(c.Image) {
		p.findOut(m, c, r)
	}
}

// findOut has it found out which digest an image has for all pods: by a rehearsal, or where none can tell by a pod.
func (p *planner) findOut(m *member, c *corev1.Container, r *resolved) {
	if !p.pins.isFound(c.Image) && p.canAsk(m, c) {
		r.unknown = append(r.unknown, c)
		return
	}
	r.blind = append(r.blind, c.Image)
}

// isSame tells whether a container runs the digest that an image has on its node.
func (p *planner) isSame(m *member, c *corev1.Container, image string, r *resolved) bool {
	running := p.runs(m, c.Name).Digest
	if running == "" {
		return false
	}
	if digest := inplace.RegistryDigest(image); digest != "" {
		return digest == running
	}
	return p.digestOn(m.pod.Spec.NodeName, c, r) == running
}

// digestOn returns the digest that an image has on a node: by a rehearsal there or, unless the kubelet will ask the registry
// anew, by a pod there that runs it.
func (p *planner) digestOn(node string, c *corev1.Container, r *resolved) string {
	for _, rehearsal := range p.images.byNode[node] {
		if digest := rehearsal.outcome.Pulled[c.Image]; digest != "" {
			r.used = append(r.used, rehearsal)
			return digest
		}
	}
	if inplace.AsksAlways(c) {
		return ""
	}
	here := place{node, c.Image}
	digest, known := p.images.digests[here]
	if !known {
		digest = p.digestRun(here)
		p.images.digests[here] = digest
	}
	return digest
}

// digestRun returns the digest of what a pod of the CloneSet runs of an image on a node.
func (p *planner) digestRun(at place) string {
	for _, n := range p.neighbours(at.node) {
		for _, c := range inplace.RunningContainers(&n.pod.Spec) {
			if c.Image != at.image {
				continue
			}
			if digest := p.runs(n, c.Name).Digest; digest != "" {
				return digest
			}
		}
	}
	return ""
}

// resolveAgain decides on a container that is to be restarted with the image that it has. The kubelet does that when the pod asks
// for it by another name; never by a tag alone, which may have moved.
func (p *planner) resolveAgain(m *member, c *corev1.Container, i inplace.Image, r *resolved) {
	running := p.runs(m, c.Name)
	if running.Asked == "" {
		return
	}
	digest, known := p.digestAgain(m, c, &running, r)
	switch {
	case digest != "":
		i.Image = inplace.Another(c.Image, digest, running.Asked)
		if p.pins.isOpen(c.Image) {
			r.blind = append(r.blind, c.Image) // By this pod it is found out.
		}
	case known && r.change.Field == "":
		r.change.Field = "spec.template.metadata.annotations[" + appsv1beta1.RestartedAtAnnotation + "]"
		r.change.Why = fmt.Sprintf("container %s cannot be restarted in place: no registry has a digest of %s, which was loaded on node %s",
			c.Name, c.Image, m.pod.Spec.NodeName)
	case known:
	case p.pins.isFound(c.Image):
		r.blind = append(r.blind, c.Image)
	case p.canAsk(m, c):
		r.unknown = append(r.unknown, c)
	case running.Asked == c.Image:
		return // It is about to start, and nobody can say of what digest.
	}
	r.change.Images = append(r.change.Images, i)
}

// digestAgain returns the digest that a container is restarted with. It is known to have none if it is empty and known.
func (p *planner) digestAgain(m *member, c *corev1.Container, running *inplace.Running, r *resolved) (digest string, known bool) {
	if digest := cmp.Or(inplace.RegistryDigest(c.Image), p.pins.recorded[c.Image]); digest != "" {
		return digest, true
	}
	if p.pins.isOpen(c.Image) && (p.pins.isFound(c.Image) || p.canAsk(m, c)) {
		return "", false // The pin comes first.
	}
	believed := p.believed(m, c.Name)
	if inplace.AsksAlways(c) || running.Registry+running.Digest == "" {
		if digest := p.resolvedOn(m, c, r); digest != "" || p.asksFirst(m, c, &believed) {
			return digest, digest != ""
		}
	}
	return believed.Registry, believed.Registry+believed.Digest != ""
}

// asksFirst tells whether a rehearsal is to tell the digest that a container is restarted with, and not the pod. What was known
// of a ready pod stays so while it is drained: else it would go back, and be drained again.
func (p *planner) asksFirst(m *member, c *corev1.Container, believed *inplace.Running) bool {
	return p.canAsk(m, c) && (inplace.AsksAlways(c) || !m.begun() || believed.Digest == "")
}

// resolvedOn returns the registry's digest of an image, by a rehearsal on the node of a pod.
func (p *planner) resolvedOn(m *member, c *corev1.Container, r *resolved) string {
	for _, rehearsal := range p.images.byNode[m.pod.Spec.NodeName] {
		if digest := rehearsal.outcome.Resolved[c.Image]; digest != "" {
			r.used = append(r.used, rehearsal)
			return digest
		}
	}
	return ""
}

// canAsk tells whether a rehearsal on the node of a pod can tell the digest of an image.
func (p *planner) canAsk(m *member, c *corev1.Container) bool {
	node := m.pod.Spec.NodeName
	if node == "" || p.inPlace().Rehearsal.Policy == appsv1beta1.RehearseNever || p.goesOnWithout(p.refused()) {
		return false
	}
	for _, rehearsal := range p.images.byNode[node] {
		if _, pulled := rehearsal.outcome.Pulled[c.Image]; pulled {
			return false // It has told all that it knows.
		}
		if slices.Contains(rehearsal.outcome.Images, c.Image) && p.goesOnWithout(rehearsal.failure) {
			return false
		}
	}
	return true
}

// unresolved returns the containers of a pod whose images have to be rehearsed to learn their digests.
func (m *member) unresolved() []*corev1.Container {
	if m.resolved == nil {
		return nil
	}
	return m.resolved.unknown
}

// rely keeps the rehearsals that told of digests, until the pod is patched.
func (m *member) rely() {
	if m.resolved == nil {
		return
	}
	for _, r := range m.resolved.used {
		r.needed = true
	}
}

// chooseImage has an image pulled for a container, where it is not the one in the template.
func (p *planner) chooseImage(node string, c *corev1.Container) {
	if wanted := inplace.ContainerOf(&p.in.Revisions.Update.Template.Spec, c.Name); wanted == nil || wanted.Image == c.Image {
		return
	}
	if p.images.chosen[node] == nil {
		p.images.chosen[node] = map[string]string{}
	}
	p.images.chosen[node][c.Name] = c.Image
}

// skippedOf tells people which containers of a pod are left as they are.
func (m *member) skippedOf(change *inplace.Change) string {
	if m.resolved == nil || m.resolved.change != change || len(m.resolved.skipped) == 0 {
		return ""
	}
	return "; " + strings.Join(m.resolved.skipped, ", ") + " not restarted, running the same image already"
}

// sinceStable returns what brings pods from the stable revision to the update revision. It is worked out once a pass.
func (p *planner) sinceStable() *inplace.Change {
	if p.fromStable == nil {
		p.fromStable = &inplace.Change{}
		if stable := p.in.Revisions.Current; stable.Template != nil && stable.Name != p.in.Revisions.Update.Name {
			*p.fromStable = inplace.Compare(stable.Template, p.in.Revisions.Update.Template)
		}
	}
	return p.fromStable
}

// moved tells which tags that pods are being updated to were found to mean different digests, so that pods differ.
func (p *planner) moved() string {
	var texts []string
	for _, i := range p.sinceStable().Images {
		if !i.Restarts {
			continue
		}
		if digests := p.digestsFound(i.Image); len(digests) > 1 {
			texts = append(texts, fmt.Sprintf("the tag of %s has moved: it was found to be %s", i.Image, strings.Join(digests, " and ")))
		}
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "; ")
}

// containersWith returns the containers that a revision has an image for.
func (p *planner) containersWith(revision, image string) []string {
	template := p.in.Revisions.Templates[revision]
	if template == nil {
		return nil
	}
	var names []string
	for _, c := range inplace.RunningContainers(&template.Spec) {
		if c.Image == image {
			names = append(names, c.Name)
		}
	}
	return names
}

// digestsFound returns the digests that an image was found to have for the update, that of most pods first.
func (p *planner) digestsFound(image string) []string {
	if inplace.HasDigest(image) {
		return nil
	}
	count, having := map[string]int{}, map[string][]string{}
	for _, m := range p.view.updated {
		names, known := having[m.revision]
		if !known {
			names = p.containersWith(m.revision, image)
			having[m.revision] = names
		}
		for _, name := range names {
			if digest := p.runs(m, name).Registry; digest != "" {
				count[digest]++
			}
		}
	}
	for _, rehearsals := range p.images.byNode {
		for _, r := range rehearsals {
			if digest := r.outcome.Resolved[image]; digest != "" {
				count[digest] += 0
			}
		}
	}
	return byCount(count)
}
