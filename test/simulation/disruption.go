package simulation

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"pgregory.net/rapid"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// deletionTimeout is after what time Kubernetes takes the place of a pod back that was not deleted.
const deletionTimeout = 2 * time.Minute

var (
	budgetResource = schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}
	errChanged     = errors.New("it was changed")
)

// budgetStore is an API server for the one PodDisruptionBudget that there may be, with the controller that counts for it.
type budgetStore struct {
	run *run
	// versions are those of the PodDisruptionBudget, the latest one last.
	versions []budgetVersion
	// counting tells that the controller has looked at the pods and is about to write what it counted.
	counting bool
	uids     int
}

// budgetVersion is a version of the PodDisruptionBudget, nil while there is none, and whose places are the manager's.
type budgetVersion struct {
	pdb  *policyv1.PodDisruptionBudget
	ours map[string]bool
}

// latest returns the PodDisruptionBudget as it is.
func (s *budgetStore) latest() budgetVersion {
	if len(s.versions) == 0 {
		return budgetVersion{}
	}
	return s.versions[len(s.versions)-1]
}

func (s *budgetStore) record(pdb *policyv1.PodDisruptionBudget, ours map[string]bool) {
	if pdb != nil {
		pdb.ResourceVersion = strconv.Itoa(len(s.versions) + 1)
	}
	s.versions = append(s.versions, budgetVersion{pdb, ours})
	s.count()
}

// ask draws what a PodDisruptionBudget asks for, has somebody make it or change it, or take it away.
func (s *budgetStore) ask(t *rapid.T) {
	pods := func(n int32) *intstr.IntOrString { return new(intstr.FromInt32(n)) }
	switch kind := rapid.IntRange(0, 4).Draw(t, "disruption budget"); {
	case kind == 0 && s.latest().pdb != nil:
		s.run.note("somebody deletes the disruption budget")
		s.record(nil, nil)
	case kind <= 2:
		s.spell(policyv1.PodDisruptionBudgetSpec{MaxUnavailable: pods(int32(rapid.IntRange(0, 2).Draw(t, "maxUnavailable")))})
	default:
		s.spell(policyv1.PodDisruptionBudgetSpec{MinAvailable: pods(int32(rapid.IntRange(0, 5).Draw(t, "minAvailable")))})
	}
}

// spell has the PodDisruptionBudget ask for something.
func (s *budgetStore) spell(spec policyv1.PodDisruptionBudgetSpec) {
	spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	s.run.note("the disruption budget is maxUnavailable %v, minAvailable %v", spec.MaxUnavailable, spec.MinAvailable)
	before := s.latest()
	if before.pdb == nil {
		s.uids++
		pdb := &policyv1.PodDisruptionBudget{Spec: spec}
		pdb.Name, pdb.Namespace, pdb.UID, pdb.Generation = "web", "default", types.UID("pdb-"+strconv.Itoa(s.uids)), 1
		s.record(pdb, nil)
		return
	}
	next := before.pdb.DeepCopy()
	next.Spec = spec
	next.Generation++
	s.record(next, before.ours)
}

// count has the controller of PodDisruptionBudgets look at the pods as they are, and write what it counts a while later.
func (s *budgetStore) count() {
	if s.counting || s.latest().pdb == nil {
		return
	}
	s.counting = true
	pods, at := s.run.world.Pods(), len(s.run.world.Events(0))
	s.run.world.After(time.Duration(s.run.rng.IntN(400))*time.Millisecond, func() {
		s.counting = false
		if s.latest().pdb == nil {
			return
		}
		s.write(pods)
		if len(s.run.world.Events(0)) > at {
			s.count()
		}
	})
}

// write writes what was counted, as the controller does it.
func (s *budgetStore) write(pods []*corev1.Pod) {
	before, now := s.latest(), s.run.world.Now()
	next := before.pdb.DeepCopy()
	next.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: next.Generation, DisruptedPods: map[string]metav1.Time{}}
	selected := 0
	for _, pod := range pods {
		if pod.Labels["app"] != "web" {
			continue
		}
		selected++
		since, taken := before.pdb.Status.DisruptedPods[pod.Name]
		expires := since.Add(deletionTimeout)
		switch {
		case pod.DeletionTimestamp != nil:
		case taken && expires.After(now):
			next.Status.DisruptedPods[pod.Name] = since
			s.run.world.After(expires.Sub(now), s.count)
		case isReady(pod):
			next.Status.CurrentHealthy++
		}
	}
	expected := replicasOf(s.run.set())
	if next.Spec.MinAvailable != nil {
		next.Status.DesiredHealthy, expected = next.Spec.MinAvailable.IntVal, selected
	} else {
		next.Status.DesiredHealthy = max(int32(expected)-next.Spec.MaxUnavailable.IntVal, 0)
	}
	next.Status.ExpectedPods = int32(expected)
	if expected > 0 {
		next.Status.DisruptionsAllowed = max(next.Status.CurrentHealthy-next.Status.DesiredHealthy, 0)
	}
	if apiequality.Semantic.DeepEqual(next.Status, before.pdb.Status) {
		return
	}
	ours := maps.Clone(before.ours)
	maps.DeleteFunc(ours, func(name string, _ bool) bool { _, taken := next.Status.DisruptedPods[name]; return !taken })
	s.record(next, ours)
}

// places are what a write of the manager changes.
type places struct {
	Metadata struct{ UID, ResourceVersion string }
	Status   struct{ DisruptedPods map[string]*metav1.Time }
}

// patch writes the manager's places, if nobody has written since.
func (s *budgetStore) patch(a *plan.Action) error {
	before, wanted := s.latest(), places{}
	if err := json.Unmarshal(a.Patch, &wanted); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	switch {
	case before.pdb == nil:
		return apierrors.NewNotFound(budgetResource, a.Name())
	case string(before.pdb.UID) != wanted.Metadata.UID, before.pdb.ResourceVersion != wanted.Metadata.ResourceVersion:
		return apierrors.NewConflict(budgetResource, a.Name(), errChanged)
	}
	original, err := json.Marshal(before.pdb)
	if err != nil {
		return err
	}
	merged, err := strategicpatch.StrategicMergePatch(original, a.Patch, policyv1.PodDisruptionBudget{})
	next := &policyv1.PodDisruptionBudget{}
	if err = errors.Join(err, json.Unmarshal(merged, next)); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	ours, taken := s.own(a, before.ours, &wanted)
	if left := next.Status.DisruptionsAllowed; left < 0 || left != before.pdb.Status.DisruptionsAllowed-taken {
		s.run.fail("I10: %s takes %d places of %d and leaves %d", a, taken, before.pdb.Status.DisruptionsAllowed, left)
	}
	s.record(next, ours)
	return nil
}

// own returns which places are the manager's after a write of it, and how many the write takes.
func (s *budgetStore) own(a *plan.Action, before map[string]bool, wanted *places) (ours map[string]bool, taken int32) {
	ours = maps.Clone(before)
	if ours == nil {
		ours = map[string]bool{}
	}
	for name, at := range wanted.Status.DisruptedPods {
		if at == nil && !ours[name] {
			s.run.fail("I10: %s gives back the place of an eviction, for %s", a, name)
		}
		if at == nil {
			delete(ours, name)
			continue
		}
		ours[name] = true
		taken++
	}
	return ours, taken
}

// evict has somebody evict a pod, if the PodDisruptionBudget allows it, as the Eviction API does.
func (r *run) evict(t *rapid.T) {
	pod := r.pick(t)
	before := r.budgets.latest()
	if pod == nil || pod.DeletionTimestamp != nil {
		return
	}
	if before.pdb != nil && pod.Labels["app"] == "web" && isReady(pod) {
		status := &before.pdb.Status
		if status.ObservedGeneration < before.pdb.Generation || status.DisruptionsAllowed == 0 {
			r.note("nobody may evict %s", pod.Name)
			return
		}
		next := before.pdb.DeepCopy()
		next.Status.DisruptionsAllowed--
		if next.Status.DisruptedPods == nil {
			next.Status.DisruptedPods = map[string]metav1.Time{}
		}
		next.Status.DisruptedPods[pod.Name] = metav1.NewTime(r.world.Now())
		ours := maps.Clone(before.ours)
		delete(ours, pod.Name)
		r.budgets.record(next, ours)
	}
	r.note("somebody evicts %s", pod.Name)
	r.world.After(time.Duration(r.rng.IntN(200))*time.Millisecond, func() {
		_, _ = r.world.Delete(pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	})
}

// observeBudget adds the PodDisruptionBudget as the cache holds it.
func (m *manager) observeBudget(in *plan.Input) {
	if m.budgets == 0 {
		return
	}
	if seen := m.run.budgets.versions[m.budgets-1]; seen.pdb != nil {
		in.Budgets = []plan.Budget{{PodDisruptionBudget: seen.pdb, Ours: seen.ours}}
	}
}

// doBudget makes a call for the PodDisruptionBudget. An event tells when to try again where somebody has written it since.
func (m *manager) doBudget(a *plan.Action) error {
	before, after := m.run.fault()
	if before != nil {
		m.run.retry()
		return before
	}
	if err := m.run.budgets.patch(a); err != nil {
		return err
	}
	if after != nil {
		m.run.retry()
		return after
	}
	m.written.budgets = len(m.run.budgets.versions)
	return nil
}

// disruption is I10: what takes a pod out of service that was seen ready has a place for it, as long as the budget is the one
// that was seen.
func (c *checker) disruption(a *plan.Action) {
	live := c.run.budgets.latest().pdb
	if live == nil || len(c.in.Budgets) == 0 || c.in.Budgets[0].UID != live.UID || !c.needsPlace(a) {
		return
	}
	since, taken := live.Status.DisruptedPods[a.Pod.Name]
	if !taken || !since.Add(deletionTimeout).After(c.run.world.Now()) {
		c.run.fail("I10: %s without a place in the disruption budget: %v", a, live.Status)
	}
}

// needsPlace tells whether an action takes a pod out of service that was seen to be, and is, ready.
func (c *checker) needsPlace(a *plan.Action) bool {
	if a.Kind == plan.Drain && strings.Contains(a.Why, "preDelete") && c.alive() > replicasOf(c.set) || replicasOf(c.set) == 0 {
		return false // Scaling in is what the user wants.
	}
	now := c.run.world.Pod(a.Pod.Name)
	return now != nil && now.UID == a.Pod.UID && isProtected(now) && isProtected(a.Pod)
}

// isProtected tells whether a pod is one that the PodDisruptionBudget counts as healthy.
func isProtected(pod *corev1.Pod) bool {
	return pod.Labels["app"] == "web" && isReady(pod) && pod.DeletionTimestamp == nil
}

// alive returns how many pods were seen alive.
func (c *checker) alive() int {
	alive := 0
	for _, pod := range c.in.Pods {
		if isAlive(pod) {
			alive++
		}
	}
	return alive
}

// asksBudgets tells whether an action takes a pod out of service in a way that a PodDisruptionBudget has a say in.
func asksBudgets(a *plan.Action) bool {
	return slices.Contains([]plan.Kind{plan.Drain, plan.Recreate, plan.DeleteSpecified}, a.Kind) ||
		a.Kind == plan.UpdateInPlace && len(restarted(a.Patch, a.Pod)) > 0
}
