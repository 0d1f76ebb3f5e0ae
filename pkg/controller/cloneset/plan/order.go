package plan

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// byUpdateOrder sorts pods so that the one to be updated next comes first: those that were begun, those that serve
// nobody anyway, those at a revision that was given up, and then the youngest, whose connections and caches are worth
// least. The name decides in the end, so that the order is the same in every pass.
func byUpdateOrder(pods []*member, current string) {
	slices.SortFunc(pods, func(a, b *member) int {
		return cmp.Or(
			falseFirst(!a.begun(), !b.begun()),
			falseFirst(a.available, b.available),
			falseFirst(a.revision == current, b.revision == current),
			b.pod.CreationTimestamp.Compare(a.pod.CreationTimestamp.Time),
			strings.Compare(a.pod.Name, b.pod.Name),
		)
	})
}

// begun tells whether the pod was taken out of service for an update.
func (m *member) begun() bool {
	switch m.progress.Phase {
	case inplace.PhaseDraining, inplace.PhaseRestarting, inplace.PhaseRestarted:
		return true
	}
	return false
}

// byDeletionOrder sorts pods so that the one whose deletion costs least comes first: those that never ran, those that
// serve nobody, those at an old revision, and then the youngest.
func byDeletionOrder(pods []*member, update string) {
	slices.SortFunc(pods, func(a, b *member) int {
		return cmp.Or(
			falseFirst(a.pod.Spec.NodeName != "", b.pod.Spec.NodeName != ""),
			falseFirst(a.pod.Status.Phase == corev1.PodRunning, b.pod.Status.Phase == corev1.PodRunning),
			falseFirst(a.ready, b.ready),
			falseFirst(a.available, b.available),
			falseFirst(a.revision == update, b.revision == update),
			b.pod.CreationTimestamp.Compare(a.pod.CreationTimestamp.Time),
			strings.Compare(a.pod.Name, b.pod.Name),
		)
	})
}

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
