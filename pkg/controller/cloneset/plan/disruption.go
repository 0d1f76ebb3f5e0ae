package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

const (
	// lease is for how long a place in a PodDisruptionBudget is good. Kubernetes takes a place back two minutes after it was
	// taken, by its own clock, if the pod was not deleted; by half of that the pod is out of service, or the place is given up.
	lease = time.Minute
	// maxDisrupted is how many pods a PodDisruptionBudget may hold places for, as the Eviction API has it.
	maxDisrupted = 2000
)

// Budget is a PodDisruptionBudget of the CloneSet's namespace, whether or not it selects any of its pods.
type Budget struct {
	*policyv1.PodDisruptionBudget
	// Ours are the names of the pods that the controller has taken a place for. Other places are those of evictions.
	Ours map[string]bool
}

// budget is a PodDisruptionBudget in one pass.
type budget struct {
	Budget
	selector labels.Selector
	// left is how many places may still be taken.
	left int
	// take and give are the pods that a place is taken for and given back of in this pass.
	take, give []string
}

// disruptions are what PodDisruptionBudgets say to what takes pods out of service.
type disruptions struct {
	budgets []*budget
	// wanted are the pods that are to go out of service as soon as they have their places, or have them, and held those
	// that would if there were any.
	wanted, held map[*member]bool
	// short are the PodDisruptionBudgets that have no place for a pod that is held.
	short map[*budget]bool
	// placed are the pods of the CloneSet that the controller holds places for, by name.
	placed map[string]*member
}

func lookAtBudgets(in *Input, v *view) *disruptions {
	d := &disruptions{
		wanted: map[*member]bool{}, held: map[*member]bool{}, short: map[*budget]bool{}, placed: map[string]*member{},
	}
	taken := 0
	for _, b := range in.Budgets {
		// One that cannot be parsed selects nothing, as for the Eviction API.
		if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil {
			d.budgets = append(d.budgets, &budget{Budget: b, selector: selector, left: placesLeft(b.PodDisruptionBudget)})
			taken += len(b.Ours)
		}
	}
	slices.SortFunc(d.budgets, func(a, b *budget) int { return strings.Compare(a.Name, b.Name) })
	if taken > 0 {
		d.find(v.old)
		d.find(v.updated)
	}
	return d
}

// find takes note of those of some pods that the controller holds places for.
func (d *disruptions) find(members []*member) {
	for _, m := range members {
		if slices.ContainsFunc(d.budgets, func(b *budget) bool { return b.Ours[m.pod.Name] }) {
			m.placed, d.placed[m.pod.Name] = true, m
		}
	}
}

// placesLeft returns how many places may be taken. There are none while the numbers are not those of the present spec.
func placesLeft(pdb *policyv1.PodDisruptionBudget) int {
	if pdb.Status.ObservedGeneration < pdb.Generation || len(pdb.Status.DisruptedPods) > maxDisrupted {
		return 0
	}
	return max(int(pdb.Status.DisruptionsAllowed), 0)
}

func (b *budget) selects(pod *corev1.Pod) bool { return b.selector.Matches(labels.Set(pod.Labels)) }

// holds tells whether there is a place for a pod that will last until the pod is out of service. One that was taken before
// the pod was made is that of its predecessor of the same name, and goes with it.
func (b *budget) holds(pod *corev1.Pod, now time.Time) bool {
	since, found := b.Status.DisruptedPods[pod.Name]
	return found && now.Sub(since.Time) < lease && !since.Time.Before(pod.CreationTimestamp.Time)
}

// lacking returns the budgets that select a pod and have no place for it yet. A pod that is not ready needs no place: to its
// budgets it is disrupted already. Nor does one of a CloneSet without replicas, for which they never have one.
func (p *planner) lacking(m *member) []*budget {
	if m.exempt || p.limits.replicas == 0 || !inplace.SaysReady(m.pod) {
		return nil
	}
	var lacking []*budget
	for _, b := range p.disruptions.budgets {
		if b.selects(m.pod) && !b.holds(m.pod, p.in.Now) {
			lacking = append(lacking, b)
		}
	}
	return lacking
}

// goesUnasked tells whether a pod is taken out of service with no place in a budget that selects it, because it is not ready.
// It must still be as it was seen then, since it may have become ready. Left out is what is written by another action of the
// same pass, or may be, as a pod with hooks: the one would make the other conflict.
func (p *planner) goesUnasked(m *member) bool {
	isNew := m.progress.Phase == inplace.PhaseNew
	if m.exempt || inplace.SaysReady(m.pod) || !isManaged(m.pod) || p.in.Set.Spec.Lifecycle != nil || isNew {
		return false
	}
	return slices.ContainsFunc(p.disruptions.budgets, func(b *budget) bool { return b.selects(m.pod) })
}

// pinned conditions a patch on the resourceVersion of its pod.
func pinned(patch []byte, pod *corev1.Pod) []byte {
	decoded := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(patch))
	decoder.UseNumber()
	metadata, ok := map[string]any(nil), false
	if err := decoder.Decode(&decoded); err == nil {
		metadata, ok = decoded["metadata"].(map[string]any)
	}
	if !ok {
		return patch // Patches have metadata.
	}
	metadata["resourceVersion"] = pod.ResourceVersion
	return encode(decoded)
}

// isHeld tells whether a pod has to stay in service, because a budget has no place for it. Nothing is taken.
func (p *planner) isHeld(m *member) bool {
	if p.disruptions.wanted[m] {
		return false
	}
	for _, b := range p.lacking(m) {
		if b.left <= 0 {
			p.disruptions.held[m], p.disruptions.short[b] = true, true
		}
	}
	return p.disruptions.held[m]
}

// mustStay tells whether a pod that is to be deleted is held. One that waits for it already is not called back.
func (p *planner) mustStay(m *member) bool { return !m.preparing() && p.isHeld(m) }

// yieldSlot lets another pod have the slot of one that was begun and is held: it may be that other one, which is not ready,
// that the budget waits for.
func (p *planner) yieldSlot(m *member) {
	if p.disruptions.held[m] {
		p.slots++
	}
}

// mayLeave tells whether a pod may be taken out of service now. Where it lacks places they are taken in this pass, in all
// budgets or in none, and the pod goes in the pass that sees them: so no place is taken twice, whenever the process dies.
func (p *planner) mayLeave(m *member) bool {
	if p.isHeld(m) {
		return false
	}
	lacking := p.lacking(m)
	if !p.disruptions.wanted[m] {
		p.disruptions.wanted[m] = true
		for _, b := range lacking {
			b.left--
			b.take = append(b.take, m.pod.Name)
		}
	}
	return len(lacking) == 0
}

// settlePlaces takes the places of this pass, and gives those back that are not needed any more, with one write for each
// budget. It is conditioned on the resourceVersion, so that no place is taken that somebody else has taken since.
func (p *planner) settlePlaces() {
	for _, b := range p.disruptions.budgets {
		for _, name := range slices.Sorted(maps.Keys(b.Ours)) {
			if m := p.disruptions.placed[name]; m != nil && !slices.Contains(b.take, name) && p.isOver(m, b) {
				b.give = append(b.give, name)
			}
		}
		switch {
		case len(b.take)+len(b.give) > 0:
			p.do(b.action(p.in.Now))
		case p.isNeglected(b):
			p.do(Action{
				Kind: Recount, Verb: VerbPatchStatus, Budget: b.PodDisruptionBudget, Why: "it counts fewer healthy pods than there are",
				Patch: b.patch(map[string]any{"observedGeneration": 0}),
			})
		}
	}
}

// isOver tells whether the place of a pod is not needed any more: the pod is back in service, or is not to leave it; or it
// has been out of service for so long that whoever counts healthy pods has noticed. A place that was given back at once
// could be given to somebody else by one who still takes the pod for healthy.
func (p *planner) isOver(m *member, b *budget) bool {
	switch {
	case p.disruptions.wanted[m]:
		return false
	case inplace.SaysReady(m.pod):
		return m.ready && (m.progress.Phase == inplace.PhaseInService || m.progress.Phase == inplace.PhaseNew)
	}
	left := lease - p.in.Now.Sub(b.Status.DisruptedPods[m.pod.Name].Time)
	p.view.later(left)
	return left <= 0
}

// action is the write of a budget's places. The entry of a pod with a place is the one that the Eviction API makes.
func (b *budget) action(now time.Time) Action {
	slices.Sort(b.take)
	pods := map[string]any{}
	for _, name := range b.give {
		pods[name] = nil
	}
	for _, name := range b.take {
		pods[name] = metav1.NewTime(now)
	}
	status := map[string]any{"disruptedPods": pods}
	a := Action{Kind: GiveBack, Verb: VerbPatchStatus, Budget: b.PodDisruptionBudget, Why: "of " + strings.Join(b.give, ", ")}
	if len(b.take) > 0 {
		status["disruptionsAllowed"] = b.Status.DisruptionsAllowed - int32(len(b.take))
		a.Kind, a.Why = Reserve, "for "+strings.Join(b.take, ", ")
	}
	a.Patch = b.patch(status)
	return a
}

// patch returns the patch of a budget's status, conditioned on what was read.
func (b *budget) patch(status map[string]any) []byte {
	return encode(map[string]any{
		"metadata": map[string]any{"uid": b.UID, "resourceVersion": b.ResourceVersion}, "status": status,
	})
}

// awaitedBudgets names the budgets that hold pods back, and what they count.
func (p *planner) awaitedBudgets() string {
	var texts []string
	for _, b := range p.disruptions.budgets {
		if !p.disruptions.short[b] {
			continue
		}
		text := fmt.Sprintf("%s, which needs %d healthy pods and has %d", b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy)
		if b.Status.ObservedGeneration < b.Generation {
			text = b.Name + ", whose numbers are not known yet"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return "pods are held back by the PodDisruptionBudget " + strings.Join(texts, ", and by ")
}

// onlyHeld tells whether nothing but a budget keeps the rollout from going on: every pod is there and available, or is held,
// and no place is in use.
func (p *planner) onlyHeld() bool {
	d := p.disruptions
	if len(d.held) == 0 || len(p.view.terminating)+len(d.wanted)+len(d.placed) > 0 {
		return false
	}
	for b := range d.short {
		if p.isBehind(b) {
			return false // It is about to count anew.
		}
	}
	for _, list := range [][]*member{p.view.old, p.view.updated, p.leaving} {
		for _, m := range list {
			if !d.held[m] && (!m.available || m.begun()) {
				return false
			}
		}
	}
	return true
}

// isBehind tells whether a budget counts fewer healthy pods than are seen.
func (p *planner) isBehind(b *budget) bool {
	healthy := 0
	for m := range p.all() {
		if _, taken := b.Status.DisruptedPods[m.pod.Name]; !taken && inplace.SaysReady(m.pod) && b.selects(m.pod) {
			healthy++
		}
	}
	return healthy > int(b.Status.CurrentHealthy)
}

// isNeglected tells whether a budget that holds pods back is behind and will stay so: where several budgets select a pod,
// Kubernetes counts anew for only one of them when the pod changes.
func (p *planner) isNeglected(b *budget) bool {
	if !p.disruptions.short[b] || b.Status.ObservedGeneration < b.Generation || !p.isBehind(b) {
		return false
	}
	for m := range p.disruptions.held {
		shared := func(other *budget) bool { return other != b && other.selects(m.pod) }
		if b.selects(m.pod) && slices.ContainsFunc(p.disruptions.budgets, shared) {
			return true
		}
	}
	return false
}
