package plan

import (
	"cmp"
	"math"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// priority is where the user's priorities put a pod.
type priority struct {
	// weight is the sum of the weights that match.
	weight int
	// term is the place of the first ordered key that the pod has, and number what its value ends with.
	term   int
	number int64
}

// byPriority puts what is to be updated first first.
func byPriority(a, b *member) int {
	return cmp.Or(
		cmp.Compare(b.priority.weight, a.priority.weight),
		cmp.Compare(a.priority.term, b.priority.term),
		cmp.Compare(b.priority.number, a.priority.number),
	)
}

// prioritize finds out the priorities of all pods: what was updated already counts where pods are spread.
func (p *planner) prioritize() {
	strategy := p.in.Set.Spec.UpdateStrategy.RollingUpdate.PriorityStrategy
	if strategy == nil {
		return
	}
	selectors := selectorsOf(strategy.WeightPriority)
	for m := range p.all() {
		m.priority.weight = 0
		for i, selector := range selectors {
			if selector.Matches(labels.Set(m.pod.Labels)) {
				m.priority.weight += int(strategy.WeightPriority[i].Weight)
			}
		}
		m.priority.term, m.priority.number = orderOf(strategy.OrderPriority, m.pod)
	}
}

func selectorsOf(terms []appsv1beta1.WeightPriorityTerm) []labels.Selector {
	selectors := make([]labels.Selector, len(terms))
	for i := range terms {
		selector, err := metav1.LabelSelectorAsSelector(&terms[i].MatchSelector)
		if err != nil {
			selector = labels.Nothing() // Validate has refused it.
		}
		selectors[i] = selector
	}
	return selectors
}

// orderOf returns the place of the first key that a pod has, or one after the last, and the number its value ends with.
func orderOf(terms []appsv1beta1.OrderPriorityTerm, pod *corev1.Pod) (term int, number int64) {
	for i := range terms {
		if value, ok := pod.Labels[terms[i].OrderedKey]; ok {
			return i, trailingNumber(value)
		}
	}
	return len(terms), 0
}

// trailingNumber returns the number that a text ends with, or -1 if it ends with none.
func trailingNumber(text string) int64 {
	from := len(text)
	for from > 0 && text[from-1] >= '0' && text[from-1] <= '9' {
		from--
	}
	if from == len(text) {
		return -1
	}
	number, err := strconv.ParseInt(text[from:], 10, 64)
	if err != nil {
		return math.MaxInt64 // It has more digits than fit.
	}
	return number
}

// deletionCost returns what the user says that the deletion of a pod costs; zero where that is no number.
func deletionCost(pod *corev1.Pod) int {
	cost, err := strconv.ParseInt(pod.Annotations[corev1.PodDeletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return int(cost)
}
