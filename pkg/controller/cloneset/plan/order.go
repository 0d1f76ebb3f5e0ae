package plan

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// orderUpdates sorts the old pods so that the one to be updated next comes first: those that were begun, those that the
// user's priorities put first, those that serve nobody anyway, those at a revision that was given up, those on nodes and
// in zones where the fewest are down, and then the youngest, whose connections and caches are worth least. The name
// decides in the end, so that the order is the same in every pass. Of those that are equal in need, pods of a kind are
// kept apart.
func (p *planner) orderUpdates() {
	p.prioritize()
	pods := p.view.old
	slices.SortFunc(pods, func(a, b *member) int { return cmp.Or(p.byNeed(a, b), byYouth(a, b)) })
	p.spread(func(m *member) string { return m.pod.Spec.NodeName }, func(m *member) *int { return &m.nodeRank })
	slices.SortStableFunc(pods, func(a, b *member) int { return cmp.Or(p.byNeed(a, b), cmp.Compare(a.nodeRank, b.nodeRank)) })
	p.spread(zoneOf, func(m *member) *int { return &m.zoneRank })
	slices.SortStableFunc(pods, func(a, b *member) int {
		return cmp.Or(p.byNeed(a, b), cmp.Compare(a.nodeRank, b.nodeRank), cmp.Compare(a.zoneRank, b.zoneRank))
	})
	p.scatter()
}

// byNeed compares two pods by what matters more than where they run.
func (p *planner) byNeed(a, b *member) int {
	current := p.in.Revisions.Current.Name
	return cmp.Or(
		falseFirst(a.specified, b.specified),
		falseFirst(!a.bound, !b.bound),
		falseFirst(!a.begun(), !b.begun()),
		falseFirst(!a.placed, !b.placed),
		byPriority(a, b),
		falseFirst(a.available, b.available),
		falseFirst(a.revision == current, b.revision == current),
	)
}

// begun tells whether the pod was chosen before: it is out of service for an update, or waits for a hook.
func (m *member) begun() bool {
	switch m.progress.Phase {
	case inplace.PhaseDraining, inplace.PhaseRestarting, inplace.PhaseRestarted:
		return true
	}
	return m.state == appsv1beta1.LifecyclePreparingUpdate || m.preparing()
}

// zoneOf returns the zone of a pod. From Kubernetes 1.35 on, pods have the label of their node.
func zoneOf(m *member) string { return m.pod.Labels[corev1.LabelTopologyZone] }

// spread ranks the old pods of each place, in the order that they have now, from the number of pods there that are down.
// Taken by rank, no two of one place are taken as long as there is another place.
func (p *planner) spread(place func(*member) string, rank func(*member) *int) {
	taken := map[string]int{}
	for m := range p.all() {
		if !m.available {
			taken[place(m)]++
		}
	}
	for _, m := range p.view.old {
		if here := place(m); here != "" {
			*rank(m) = taken[here]
			taken[here]++
		}
	}
}

// inDeletionOrder sorts pods so that the one whose deletion costs least comes first: those that wait for it already, surge
// pods where it is they that go, those that never ran, those that serve nobody, those at an old revision, those that the
// user says cost less, those on nodes with the most pods, and then the youngest.
func (p *planner) inDeletionOrder(pods []*member) []*member {
	slices.SortFunc(pods, func(a, b *member) int { return cmp.Or(p.byWorth(a, b), byYouth(a, b)) })
	left := map[string]int{}
	for m := range p.all() { // Pods that are not to be chosen from crowd a node as well.
		left[m.pod.Spec.NodeName]++
	}
	for _, m := range pods {
		m.nodeRank = left[m.pod.Spec.NodeName]
		left[m.pod.Spec.NodeName]--
	}
	slices.SortStableFunc(pods, func(a, b *member) int { return cmp.Or(p.byWorth(a, b), cmp.Compare(b.nodeRank, a.nodeRank)) })
	return pods
}

// inRetirementOrder returns the old pods, sorted so that the one whose place a surge pod takes first comes first: the user's
// priorities say which pods leave the old revision, and their deletion order decides between the others.
func (p *planner) inRetirementOrder() []*member {
	pods := p.inDeletionOrder(slices.Clone(p.view.old))
	p.prioritize()
	slices.SortStableFunc(pods, byPriority)
	return pods
}

// byWorth compares two pods by what is lost with them.
func (p *planner) byWorth(a, b *member) int {
	return cmp.Or(
		falseFirst(!a.excluded, !b.excluded),
		falseFirst(!a.preparing(), !b.preparing()),
		p.bySurge(a, b),
		falseFirst(a.pod.Spec.NodeName != "", b.pod.Spec.NodeName != ""),
		falseFirst(a.pod.Status.Phase == corev1.PodRunning, b.pod.Status.Phase == corev1.PodRunning),
		falseFirst(a.ready, b.ready),
		falseFirst(a.available, b.available),
		falseFirst(!a.old, !b.old),
		cmp.Compare(deletionCost(a.pod), deletionCost(b.pod)),
	)
}

// bySurge puts surge pods first where it is they that go.
func (p *planner) bySurge(a, b *member) int {
	if !p.surgeGoes() {
		return 0
	}
	return falseFirst(!a.surge, !b.surge)
}

// byYouth puts the youngest first.
func byYouth(a, b *member) int {
	return cmp.Or(b.pod.CreationTimestamp.Compare(a.pod.CreationTimestamp.Time), byName(a, b))
}

func byName(a, b *member) int { return strings.Compare(a.pod.Name, b.pod.Name) }

// byKindAndName sorts actions, so that the same plan reads the same: pods come in no order.
func byKindAndName(actions []Action) {
	slices.SortStableFunc(actions, func(a, b Action) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name(), b.Name()))
	})
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
