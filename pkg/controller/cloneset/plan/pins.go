package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// pins are the digests that images of the update revision have for all pods. They are recorded on the revision before any pod
// gets them, so that a manager which dies, and the next time that the revision is rolled out, make no other choice.
type pins struct {
	on bool
	// recorded are those that the revision tells: an empty one is that of an image that no registry has. found are those
	// that were found out now.
	recorded, found map[string]string
	// busy are images that a pod is about to find out the digest of.
	busy map[string]bool
}

// isOpen tells whether it is still to be found out which digest an image has for all pods.
func (i *pins) isOpen(image string) bool {
	_, recorded := i.recorded[image]
	return i.on && !recorded && !inplace.HasDigest(image)
}

// isFound tells whether the digest of an image was found out now. It is waited for until it is recorded.
func (i *pins) isFound(image string) bool {
	_, found := i.found[image]
	return found
}

// lookAtPins takes in what is recorded of digests, and what has been found out meanwhile.
func (p *planner) lookAtPins() pins {
	i := pins{found: map[string]string{}, busy: map[string]bool{}}
	if p.inPlace().Pin != appsv1beta1.PinDigest {
		return i
	}
	i.on, i.recorded = true, p.recordedDigests(p.in.Revisions.Update.Name)
	for _, c := range inplace.RunningContainers(&p.in.Revisions.Update.Template.Spec) {
		if !i.isOpen(c.Image) {
			continue
		}
		if digest, ok := p.firstDigest(c); ok {
			i.found[c.Image] = digest
		} else {
			i.busy[c.Image] = p.isBusy(c.Image)
		}
	}
	return i
}

// recordedDigests returns the digests that a revision tells.
func (p *planner) recordedDigests(name string) map[string]string {
	var digests map[string]string
	if revision := p.revisionOf(name); revision != nil {
		if json.Unmarshal([]byte(revision.Annotations[appsv1beta1.DigestsAnnotation]), &digests) != nil {
			return nil // Somebody broke it: what pods tell is recorded anew.
		}
	}
	return digests
}

func (p *planner) revisionOf(name string) *appsv1.ControllerRevision {
	at := slices.IndexFunc(p.in.Revisions.History, func(r *appsv1.ControllerRevision) bool { return r.Name == name })
	if at < 0 {
		return nil
	}
	return p.in.Revisions.History[at]
}

// candidate is a digest that an image was found to have.
type candidate struct {
	digest string
	// rank puts what was chosen before first, then what runs, then what a node has pulled, and then what no registry has.
	rank int
	at   metav1.Time
	name string
}

// firstDigest returns the digest of an image that was found out first, and whether one was.
func (p *planner) firstDigest(c *corev1.Container) (string, bool) {
	found := p.rehearsedCandidates(c.Image)
	for m := range p.all() {
		if m.old && p.isAskedAnew(c) {
			continue
		}
		for _, own := range inplace.RunningContainers(&m.pod.Spec) {
			if one, ok := p.candidateOf(m, own, c.Image); ok {
				found = append(found, one)
			}
		}
	}
	if len(found) == 0 {
		return "", false
	}
	first := slices.MinFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.at.Compare(b.at.Time), strings.Compare(a.name, b.name),
			strings.Compare(a.digest, b.digest))
	})
	return first.digest, true
}

func (p *planner) candidateOf(m *member, own *corev1.Container, image string) (candidate, bool) {
	// A container that is still to be patched has the image of an older revision, which may be without a tag after a restart.
	pending := slices.Contains(m.progress.Pending, own.Name)
	if pending || p.imageOf(m, own.Name) != image || !inplace.StandsFor(own.Image, image) {
		return candidate{}, false
	}
	running := p.runs(m, own.Name)
	one := candidate{digest: running.Registry, at: m.pod.CreationTimestamp, name: m.pod.Name, rank: 1}
	switch {
	case inplace.HasDigest(own.Image):
		one.digest, one.rank = inplace.RegistryDigest(own.Image), 0
	case !m.ready && m.pod.Generation > 1: // It was patched, and may not have got that far.
		return one, false
	case running.Registry != "":
	case running.Digest != "":
		one.rank = 3
	default:
		return one, false
	}
	return one, true
}

func (p *planner) rehearsedCandidates(image string) []candidate {
	var found []candidate
	for _, rehearsals := range p.images.byNode {
		for _, r := range rehearsals {
			if digest, ok := r.outcome.Resolved[image]; ok {
				found = append(found, candidate{digest: digest, rank: 2, at: r.pod.CreationTimestamp, name: r.pod.Name})
			} else if digest := r.outcome.Pulled[image]; digest != "" {
				found = append(found, candidate{rank: 3, at: r.pod.CreationTimestamp, name: r.pod.Name})
			}
		}
	}
	return found
}

// isAskedAnew tells whether a restart asks the registry anew for the image of a container, whatever pods run.
func (p *planner) isAskedAnew(c *corev1.Container) bool {
	if !inplace.AsksAlways(c) || p.inPlace().Rehearsal.Policy == appsv1beta1.RehearseNever {
		return false
	}
	return slices.ContainsFunc(p.sinceStable().Images, func(i inplace.Image) bool { return i.Container == c.Name && i.Again })
}

// isBusy tells whether a pod at the update revision is about to find out the digest of an image.
func (p *planner) isBusy(image string) bool {
	return slices.ContainsFunc(p.view.updated, func(m *member) bool {
		return slices.ContainsFunc(inplace.RunningContainers(&m.pod.Spec), func(c *corev1.Container) bool {
			return c.Image == image
		})
	})
}

// recordPins has what was found out recorded.
func (p *planner) recordPins() {
	revision := p.revisionOf(p.in.Revisions.Update.Name)
	if len(p.pins.found) == 0 || revision == nil || revision.DeletionTimestamp != nil || metav1.GetControllerOfNoCopy(revision) == nil {
		return
	}
	all := maps.Clone(p.pins.recorded)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, p.pins.found)
	var texts []string
	for _, image := range slices.Sorted(maps.Keys(p.pins.found)) {
		if digest := p.pins.found[image]; digest != "" {
			texts = append(texts, fmt.Sprintf("%s is %s for all pods", image, digest))
		} else {
			texts = append(texts, image+" has no digest that a registry knows, and cannot be pinned")
		}
	}
	p.do(Action{
		Kind: Pin, Verb: VerbPatch, Revision: revision, Patch: pinPatch(revision, all), Why: strings.Join(texts, "; "),
	})
}

// awaitsRecord tells whether a pod has to wait until it is recorded which digest an image has for all pods.
func (p *planner) awaitsRecord(m *member) bool {
	return m.resolved != nil && slices.ContainsFunc(m.resolved.blind, p.pins.isFound)
}

// awaitsDigest tells whether a pod has to wait until another one, which is on its way, has found out which digest an image has
// for all of them. Otherwise it is the one, as soon as it goes.
func (p *planner) awaitsDigest(m *member) bool {
	if m.resolved == nil {
		return false
	}
	for _, image := range m.resolved.blind {
		if p.pins.busy[image] {
			p.note(m.pod, appsv1beta1.NoteAwaitingDigest, "waits for another pod to find out the digest of "+image)
			return true
		}
	}
	return false
}

// findsDigests has a pod that goes be the one which finds out what is to be known of digests. One that cannot go now, since it would
// cost what there is none of, is not waited for: it may be waiting for one that could.
func (p *planner) findsDigests(m *member) {
	if m.resolved == nil {
		return
	}
	for _, image := range m.resolved.blind {
		p.pins.busy[image] = true
	}
}

// creatable returns how many of a number of pods of the update revision can be made now: where a pod is still to find out the
// digests that all of them are to have, that one.
func (p *planner) creatable(count int) int {
	var open []string
	for _, c := range inplace.RunningContainers(&p.in.Revisions.Update.Template.Spec) {
		if p.pins.isOpen(c.Image) {
			open = append(open, c.Image)
		}
	}
	switch {
	case len(open) == 0 || count <= 0:
		return count
	case slices.ContainsFunc(open, func(image string) bool { return p.pins.isFound(image) || p.pins.busy[image] }):
		return 0
	}
	for _, image := range open {
		p.pins.busy[image] = true
	}
	return 1
}

// pin gives a pod that is made the digests of its revision.
func (p *planner) pin(pod *corev1.Pod, revision Revision) {
	if !p.pins.on {
		return
	}
	digests := p.recordedDigests(revision.Name)
	for _, c := range inplace.RunningContainers(&pod.Spec) {
		if digest := digests[c.Image]; digest != "" {
			c.Image = inplace.Pinned(c.Image, digest)
		}
	}
}

// unpinned returns the images of those containers of a pod that a change leaves alone, and that run another digest than the one
// that is recorded for the update revision: an image that has not changed was resolved anew, by a restart to a revision from which
// the pod comes back.
func (p *planner) unpinned(m *member, change *inplace.Change) []inplace.Image {
	if !p.pins.on || !m.old || inplace.NeverRan(m.pod) {
		return nil
	}
	var images []inplace.Image
	for _, c := range inplace.RunningContainers(&p.in.Revisions.Update.Template.Spec) {
		digest := p.pins.recorded[c.Image]
		own := inplace.ContainerOf(&m.pod.Spec, c.Name)
		changed := slices.ContainsFunc(change.Images, func(i inplace.Image) bool { return i.Container == c.Name })
		if digest == "" || own == nil || changed || !inplace.StandsFor(own.Image, c.Image) {
			continue
		}
		if asked := inplace.RegistryDigest(own.Image); asked != "" && asked != digest {
			images = append(images, inplace.Image{
				Container: c.Name, Image: inplace.Pinned(c.Image, digest), Init: isInit(m.pod, c.Name), Restarts: true,
			})
		}
	}
	return images
}

// pinPending returns what brings the containers of a pod to their digests that wait for others, where these were found out since
// the pod was patched. It is not known yet while they are being recorded.
func (p *planner) pinPending(m *member) (change *inplace.Change, known bool) {
	change = &inplace.Change{}
	if m.old || !p.pins.on {
		return change, true
	}
	state := inplace.ReadState(m.pod)
	for _, c := range inplace.RunningContainers(&p.in.Revisions.Update.Template.Spec) {
		if !slices.Contains(m.progress.Pending, c.Name) || (state != nil && state.Images[c.Name] != "") {
			continue
		}
		if p.pins.isFound(c.Image) {
			return change, false
		}
		if digest := p.pins.recorded[c.Image]; digest != "" {
			change.Images = append(change.Images, inplace.Image{
				Container: c.Name, Image: inplace.Pinned(c.Image, digest), Init: isInit(m.pod, c.Name), Restarts: true,
			})
		}
	}
	return change, true
}

func isInit(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name })
}

// byCount returns digests, the most frequent first.
func byCount(count map[string]int) []string {
	return slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
}
