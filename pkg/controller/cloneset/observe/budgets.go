package observe

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// trimBudget keeps of a PodDisruptionBudget which pods it selects, what it counts, and which of its entries are ours.
func trimBudget(object any) (any, error) {
	if budget, ok := object.(*policyv1.PodDisruptionBudget); ok {
		return TrimBudget(budget), nil
	}
	return object, nil
}

// TrimBudget returns a PodDisruptionBudget with only the fields that decisions need.
func TrimBudget(budget *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	kept := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{
			Name: budget.Name, Namespace: budget.Namespace, UID: budget.UID,
			ResourceVersion: budget.ResourceVersion, Generation: budget.Generation,
		},
		Spec: policyv1.PodDisruptionBudgetSpec{Selector: budget.Spec.Selector},
		Status: policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: budget.Status.ObservedGeneration,
			DisruptedPods:      budget.Status.DisruptedPods,
			DisruptionsAllowed: budget.Status.DisruptionsAllowed,
			CurrentHealthy:     budget.Status.CurrentHealthy,
			DesiredHealthy:     budget.Status.DesiredHealthy,
		},
	}
	for i := range budget.ManagedFields {
		if isOurs(&budget.ManagedFields[i]) {
			kept.ManagedFields = append(kept.ManagedFields, budget.ManagedFields[i])
		}
	}
	return kept
}

func isOurs(entry *metav1.ManagedFieldsEntry) bool {
	return entry.Manager == appsv1beta1.FieldOwner && entry.Subresource == "status" && entry.FieldsV1 != nil
}

// budgets returns the PodDisruptionBudgets of a namespace. Those of the places in them that this controller took are known
// from the fields that it manages, so that a new process knows them, too.
func (s Stores) budgets(namespace string) ([]plan.Budget, error) {
	found, err := byIndex[*policyv1.PodDisruptionBudget](s.Budgets, toolscache.NamespaceIndex, namespace)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	budgets := make([]plan.Budget, 0, len(found))
	for _, budget := range found {
		budgets = append(budgets, BudgetOf(budget))
	}
	return budgets, nil
}

// BudgetOf tells of a PodDisruptionBudget which of its places are ours.
func BudgetOf(budget *policyv1.PodDisruptionBudget) plan.Budget {
	known := plan.Budget{PodDisruptionBudget: budget}
	if len(budget.Status.DisruptedPods) == 0 {
		return known
	}
	known.Ours = map[string]bool{}
	for i := range budget.ManagedFields {
		if !isOurs(&budget.ManagedFields[i]) {
			continue
		}
		for _, name := range placesIn(budget.ManagedFields[i].FieldsV1) {
			if _, taken := budget.Status.DisruptedPods[name]; taken {
				known.Ours[name] = true
			}
		}
	}
	return known
}

// placesIn returns the names of the pods whose entries are among some fields.
func placesIn(fields *metav1.FieldsV1) []string {
	var set struct {
		Status struct {
			DisruptedPods map[string]json.RawMessage `json:"f:disruptedPods"`
		} `json:"f:status"`
	}
	if err := json.Unmarshal(fields.GetRawBytes(), &set); err != nil {
		return nil // Then they are nobody's.
	}
	var names []string
	for key := range set.Status.DisruptedPods {
		if name, isField := strings.CutPrefix(key, "f:"); isField {
			names = append(names, name)
		}
	}
	return names
}

// SelectedBy returns the CloneSets of which some PodDisruptionBudgets select a pod.
func (s Stores) SelectedBy(budgets ...*policyv1.PodDisruptionBudget) []*appsv1beta1.CloneSet {
	if len(budgets) == 0 {
		return nil
	}
	sets, err := byIndex[*appsv1beta1.CloneSet](s.Sets, toolscache.NamespaceIndex, budgets[0].Namespace)
	if err != nil {
		return nil // The index is there from the start.
	}
	var selectors []labels.Selector
	for _, budget := range budgets {
		if selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector); err == nil {
			selectors = append(selectors, selector)
		}
	}
	var selected []*appsv1beta1.CloneSet
	for _, set := range sets {
		if s.anyMatches(set, selectors) {
			selected = append(selected, set)
		}
	}
	return selected
}

// anyMatches tells whether one of some selectors matches one of a CloneSet's pods.
func (s Stores) anyMatches(set *appsv1beta1.CloneSet, selectors []labels.Selector) bool {
	pods, err := ofOwner[*corev1.Pod](s.Pods, set.UID)
	if err != nil {
		return false
	}
	for _, pod := range pods {
		for _, selector := range selectors {
			if selector.Matches(labels.Set(pod.Labels)) {
				return true
			}
		}
	}
	return false
}
