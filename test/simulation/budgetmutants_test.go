package simulation

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// budgetMutants are broken in what PodDisruptionBudgets have a say in.
func budgetMutants() map[string]mutant {
	return map[string]mutant{
		"disruption budgets are ignored":     {ignoringBudgets, "I10"},
		"a place is used that nobody gave":   {seeingBudgets(withAPlaceForAll), "I10"},
		"a place more is taken than is left": {seeingBudgets(func(b *plan.Budget, _ *plan.Input) { b.Status.DisruptionsAllowed++ }), "I10"},
		"an eviction loses its place":        {seeingBudgets(takingAllForOurs), "I10"},
	}
}

func ignoringBudgets(in plan.Input) plan.Plan {
	in.Budgets = nil
	return plan.Compute(in)
}

// seeingBudgets returns a planner that sees other PodDisruptionBudgets than there are.
func seeingBudgets(change func(*plan.Budget, *plan.Input)) planner {
	return func(in plan.Input) plan.Plan {
		in.Budgets = slices.Clone(in.Budgets)
		for i := range in.Budgets {
			in.Budgets[i].PodDisruptionBudget = in.Budgets[i].DeepCopy()
			in.Budgets[i].Ours = maps.Clone(in.Budgets[i].Ours)
			change(&in.Budgets[i], &in)
		}
		return plan.Compute(in)
	}
}

func withAPlaceForAll(b *plan.Budget, in *plan.Input) {
	b.Status.DisruptedPods = map[string]metav1.Time{}
	for _, pod := range in.Pods {
		b.Status.DisruptedPods[pod.Name] = metav1.NewTime(in.Now)
	}
}

func takingAllForOurs(b *plan.Budget, _ *plan.Input) {
	b.Ours = map[string]bool{}
	for name := range b.Status.DisruptedPods {
		b.Ours[name] = true
	}
}
