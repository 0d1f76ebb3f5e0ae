package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// images is what is known of images on nodes, and what is to be found out.
type images struct {
	// rehearsals are those that are there, by name, and byNode those of the update revision.
	rehearsals []*rehearsal
	byNode     map[string][]*rehearsal
	// neighbours are the pods of each node, and present whether one of them has run an image. They are worked out when they
	// are first asked for.
	neighbours map[string][]*member
	present    map[place]bool
	// digests are those that pods run of images on nodes.
	digests map[place]string
	// ahead is how many more pods may have their images pulled, by the order of the update.
	ahead int
	// wanted are the containers whose images are to be pulled on a node, and order is that of the nodes.
	wanted map[string][]string
	order  []string
	// open is how many nodes more may begin to pull.
	open int
	// chosen are the images that are pulled for them, where they are not those of the template, by node and container.
	chosen map[string]map[string]string
	// always are the containers whose images the registry is asked for, by node.
	always map[string]map[string]bool
	// waits is why pods are not updated now, by node.
	waits map[string]*wait
	// waiting are the pods that wait.
	waiting []types.UID
	// held is the first pod in the order of the update that waits.
	held *member
}

// place is an image on a node.
type place struct{ node, image string }

// rehearsal is a pod that has a node pull images.
type rehearsal struct {
	pod     *corev1.Pod
	outcome inplace.Outcome
	// failure is why an image of it is not there.
	failure *inplace.Failure
	// proves tells that all images are there.
	proves bool
	// needed tells that pods wait for it, or rely on it, and spent that it has to be made again.
	needed, spent bool
}

// lookAtImages takes in the rehearsals.
func (p *planner) lookAtImages() images {
	i := images{
		byNode: map[string][]*rehearsal{}, present: map[place]bool{}, digests: map[place]string{}, wanted: map[string][]string{},
		chosen: map[string]map[string]string{}, always: map[string]map[string]bool{}, waits: map[string]*wait{},
	}
	for _, pod := range p.in.Rehearsals {
		r := &rehearsal{pod: pod, outcome: inplace.OutcomeOf(pod)}
		r.proves = len(r.outcome.Images) > 0 && r.outcome.Proves(r.outcome.Images)
		i.rehearsals = append(i.rehearsals, r)
		if pod.DeletionTimestamp == nil && pod.Labels[appsv1beta1.RehearsalLabel] == p.in.Revisions.Update.Name {
			p.assess(r)
			i.byNode[pod.Spec.NodeName] = append(i.byNode[pod.Spec.NodeName], r)
			for _, name := range r.outcome.Always {
				i.askAlways(pod.Spec.NodeName, name)
			}
		}
	}
	slices.SortFunc(i.rehearsals, func(a, b *rehearsal) int { return strings.Compare(a.pod.Name, b.pod.Name) })
	return i
}

// ahead returns how many more pods may have their images pulled.
func (p *planner) ahead() int {
	ahead := max(p.slots, 0)
	if updatedReady(p.view) >= int(p.inPlace().ImagePreDownloadMinUpdatedReadyPods) {
		ahead += max(p.limits.maxUnavailable, p.counts.surge, 1) // The next ones, while these are on their way.
	}
	return ahead
}

func updatedReady(v *view) int {
	count := 0
	for _, m := range v.updated {
		if m.ready && m.isUpdated() {
			count++
		}
	}
	return count
}

func (p *planner) inPlace() *appsv1beta1.InPlaceUpdateStrategy {
	return &p.in.Set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy
}

// hasImages tells whether the node of a pod is known to have the images that the update of the pod restarts containers for.
// If it is not, they are pulled there when it is the pod's turn.
func (p *planner) hasImages(m *member, change *inplace.Change) bool {
	if p.inPlace().Rehearsal.Policy == appsv1beta1.RehearseNever || m.pod.Spec.NodeName == "" {
		return true
	}
	target := inplace.Target{Revision: p.in.Revisions.Update.Name, Template: p.in.Revisions.Update.Template}
	var missing []*corev1.Container
	for _, c := range inplace.Needs(m.pod, target, *change, m.progress) {
		if mustAsk(m, c) || !p.isPresent(m.pod.Spec.NodeName, c.Image) {
			missing = append(missing, c)
		}
	}
	for _, c := range m.unresolved() {
		missing = append(missing, inplace.In(m.pod, c))
	}
	m.rely()
	w := p.waitFor(m, missing)
	if w == nil || w.failure == nil {
		p.images.ahead--
	}
	if w == nil {
		return true
	}
	p.awaits(m, w)
	return false
}

// mustAsk tells whether it is not enough for a container that its image is on the node: the kubelet will ask the registry
// for it, and the container is better left running if that cannot be reached.
func mustAsk(m *member, c *corev1.Container) bool {
	return m.progress.InService && !m.begun() && inplace.AsksAlways(c)
}

// isPresent tells whether a pod of the CloneSet has run an image on a node.
func (p *planner) isPresent(node, image string) bool {
	here := place{node, image}
	known, ok := p.images.present[here]
	if !ok {
		known = slices.ContainsFunc(p.neighbours(node), func(m *member) bool {
			return inplace.HasRun(m.pod, p.in.Revisions.Templates[m.revision], &m.progress, image)
		})
		p.images.present[here] = known
	}
	return known
}

func (p *planner) neighbours(node string) []*member {
	if p.images.neighbours == nil {
		p.images.neighbours = map[string][]*member{}
		for m := range p.all() {
			here := m.pod.Spec.NodeName
			p.images.neighbours[here] = append(p.images.neighbours[here], m)
		}
	}
	return p.images.neighbours[node]
}

// waitFor returns what is to be waited for until a node has some images, or nil if it has, or if it cannot be found out and
// is not to be waited for.
func (p *planner) waitFor(m *member, missing []*corev1.Container) *wait {
	w := &wait{node: m.pod.Spec.NodeName}
	var unasked []*corev1.Container
	for _, c := range missing {
		r := p.rehearsalOf(w.node, c.Image)
		if r == nil {
			unasked = append(unasked, c)
			continue
		}
		r.needed = true
		pulled := r.outcome.ProvesImage(c.Image)
		switch {
		case pulled && mustAsk(m, c) && (p.isOutOfDate(r) || !p.hasAsked(r, c.Image)):
			r.spent = r.spent || p.slots > 0
			w.lacks(c.Image)
		case !pulled && !p.goesOnWithout(r.failure):
			w.add(c.Image, r)
		}
	}
	p.ask(w, unasked)
	if len(w.images) == 0 {
		return nil
	}
	return w
}

// rehearsalOf returns the rehearsal of an image on a node, or one that has shown in passing that the node has it, or nil.
func (p *planner) rehearsalOf(node, image string) *rehearsal {
	var proving *rehearsal
	for _, r := range p.images.byNode[node] {
		if slices.Contains(r.outcome.Images, image) {
			return r
		}
		if proving == nil && r.outcome.ProvesImage(image) {
			proving = r
		}
	}
	return proving
}

// askAlways has the registry asked for the image of a container when the node pulls the next time.
func (i *images) askAlways(node, container string) {
	if i.always[node] == nil {
		i.always[node] = map[string]bool{}
	}
	i.always[node][container] = true
}

// hasAsked tells whether the registry was asked for an image in a rehearsal. If it was not, since the rehearsal was made for pods
// with another pull policy, the next one is to ask it.
func (p *planner) hasAsked(r *rehearsal, image string) bool {
	if r.outcome.AskedRegistry(image) {
		return true
	}
	for name, asked := range r.outcome.Asked {
		if r.outcome.Means(asked, image) {
			p.images.askAlways(r.pod.Spec.NodeName, name)
		}
	}
	return false
}

// goesOnWithout tells whether an image need not be waited for, since it cannot be found out whether it is there.
func (p *planner) goesOnWithout(failure *inplace.Failure) bool {
	return failure != nil && failure.Impossible && p.inPlace().Rehearsal.WhenImpossible == appsv1beta1.ProceedWhenImpossible
}

// ask has images pulled on a node that no rehearsal is about yet.
func (p *planner) ask(w *wait, containers []*corev1.Container) {
	if len(containers) == 0 {
		return
	}
	refused := p.refused()
	if p.goesOnWithout(refused) {
		return
	}
	for _, c := range containers {
		w.lacks(c.Image)
	}
	if w.failure = cmp.Or(w.failure, refused); refused != nil || p.images.ahead <= 0 {
		return
	}
	if p.images.wanted[w.node] == nil {
		p.images.order = append(p.images.order, w.node)
	}
	for _, c := range containers {
		if inplace.AsksAlways(c) {
			p.images.askAlways(w.node, c.Name)
		}
		if !slices.Contains(p.images.wanted[w.node], c.Name) {
			p.images.wanted[w.node] = append(p.images.wanted[w.node], c.Name)
			p.chooseImage(w.node, c)
		}
	}
}

// refused returns why no rehearsal of the update revision can be made, or nil. After a while it is tried again.
func (p *planner) refused() *inplace.Failure {
	refusal := p.in.Refusal
	if refusal == nil || refusal.Revision != p.in.Revisions.Update.Name {
		return nil
	}
	failure := &inplace.Failure{Reason: reasonRefused, Message: refusal.Message, Impossible: true}
	if p.goesOnWithout(failure) {
		return failure // Whoever goes on without has no need to know better.
	}
	left := min(rehearsalRetry-p.in.Now.Sub(refusal.At), rehearsalRetry)
	if left <= 0 {
		return nil
	}
	p.view.later(left)
	return failure
}

// overtakes tells whether a pod would be updated before one that the user's priorities put first, and that waits.
func (p *planner) overtakes(m *member) bool {
	return p.images.held != nil && byPriority(p.images.held, m) < 0
}

// rehearsedDigests adds the digests that nodes have pulled to those that are known.
func rehearsedDigests(rehearsals []*corev1.Pod, known map[string][]string) {
	for _, pod := range rehearsals {
		outcome := inplace.OutcomeOf(pod)
		for image, digest := range outcome.Pulled {
			if digest != "" && !slices.Contains(known[image], digest) {
				known[image] = append(known[image], digest)
			}
		}
	}
}

// ageLeft returns for how much longer the pod of a rehearsal is younger than a limit.
func (p *planner) ageLeft(r *rehearsal, limit time.Duration) time.Duration {
	return min(limit-p.in.Now.Sub(r.pod.CreationTimestamp.Time), limit)
}
