package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

type budgetEdit func(*Budget)

// budgetOf returns a PodDisruptionBudget for the pods of these tests, with a number of places left.
func budgetOf(name string, left int32, edits ...budgetEdit) Budget {
	b := Budget{PodDisruptionBudget: &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name, UID: "uid-pdb", ResourceVersion: "7", Generation: 2},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status: policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: 2, DisruptionsAllowed: left, DesiredHealthy: 2, CurrentHealthy: 2 + left, ExpectedPods: 5,
			DisruptedPods: map[string]metav1.Time{},
		},
	}}
	for _, edit := range edits {
		edit(&b)
	}
	return b
}

// evicting has an eviction hold a place for a pod since a while.
func evicting(pod string, ago time.Duration) budgetEdit {
	return func(b *Budget) { b.Status.DisruptedPods[pod] = metav1.NewTime(now().Add(-ago)) }
}

// taken has the controller hold a place for a pod since a while.
func taken(pod string, ago time.Duration) budgetEdit {
	return func(b *Budget) {
		evicting(pod, ago)(b)
		if b.Ours == nil {
			b.Ours = map[string]bool{}
		}
		b.Ours[pod] = true
	}
}

// counting has Kubernetes count some healthy pods.
func counting(healthy int32) budgetEdit { return func(b *Budget) { b.Status.CurrentHealthy = healthy } }

func selecting(selector *metav1.LabelSelector) budgetEdit {
	return func(b *Budget) { b.Spec.Selector = selector }
}

// budgeted returns what is observed of a CloneSet some of whose pods are selected by PodDisruptionBudgets.
func budgeted(set *appsv1beta1.CloneSet, pods []*corev1.Pod, budgets ...Budget) Input {
	in := inputOf(set, pods...)
	in.Budgets = budgets
	return in
}

func TestDrainAsksBudgets(t *testing.T) {
	tests := map[string]struct {
		budgets []Budget
		want    []string
	}{
		"none":                                    {nil, []string{"Drain a"}},
		"a place is taken first":                  {[]Budget{budgetOf("web", 1)}, []string{"Reserve web"}},
		"the place is seen":                       {[]Budget{budgetOf("web", 0, taken("a", time.Second))}, []string{"Drain a"}},
		"no place is left":                        {[]Budget{budgetOf("web", 0)}, nil},
		"fewer than none":                         {[]Budget{budgetOf("web", -1)}, nil},
		"the place is that of an eviction":        {[]Budget{budgetOf("web", 0, evicting("a", time.Second))}, []string{"Drain a"}},
		"an old place is not relied on":           {[]Budget{budgetOf("web", 0, taken("a", time.Minute))}, []string{"GiveBack web"}},
		"an old place is taken anew":              {[]Budget{budgetOf("web", 1, taken("a", time.Minute))}, []string{"Reserve web"}},
		"the old place of an eviction is left":    {[]Budget{budgetOf("web", 0, evicting("a", time.Minute))}, nil},
		"the numbers are those of an older spec":  {[]Budget{budgetOf("web", 1, func(b *Budget) { b.Generation++ })}, nil},
		"too many places are taken already":       {[]Budget{budgetOf("web", 1, crowded(maxDisrupted+1))}, nil},
		"as many places as may be":                {[]Budget{budgetOf("web", 1, crowded(maxDisrupted))}, []string{"Reserve web"}},
		"both have a place":                       {[]Budget{budgetOf("web", 1), budgetOf("all", 1)}, []string{"Reserve all", "Reserve web"}},
		"one of two has a place":                  {[]Budget{budgetOf("web", 1), budgetOf("all", 0, counting(3))}, nil},
		"one of two has given one":                {[]Budget{budgetOf("web", 0, taken("a", 0)), budgetOf("all", 1)}, []string{"Reserve all"}},
		"the second has none, the first gets its": {[]Budget{budgetOf("web", 0, taken("a", 0)), budgetOf("all", 0, counting(3))}, []string{"GiveBack web"}},
		"it selects others":                       {[]Budget{budgetOf("web", 0, selecting(&metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}))}, []string{"Drain a"}},
		"it selects none":                         {[]Budget{budgetOf("web", 0, selecting(nil))}, []string{"Drain a"}},
		"it selects all":                          {[]Budget{budgetOf("web", 0, selecting(&metav1.LabelSelector{}))}, nil},
		"its selector cannot be parsed": {[]Budget{budgetOf("web", 0, selecting(&metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Near"}},
		}))}, []string{"Drain a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, Compute(budgeted(cloneSet(3), []*corev1.Pod{old("a"), old("b"), old("c")}, tt.budgets...)), tt.want...)
		})
	}
}

func crowded(pods int) budgetEdit {
	return func(b *Budget) {
		for i := range pods {
			evicting(strings.Repeat("x", i+2), 0)(b)
		}
	}
}

func TestWhatAsksBudgets(t *testing.T) {
	surged := func(pod *corev1.Pod) { pod.Labels[appsv1beta1.SurgeLabel] = revisionB }
	inService := func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{
			{Name: "web", Drain: appsv1beta1.DrainNotRequired},
		}
	}
	specified := testpods.Label(appsv1beta1.SpecifiedDeleteLabel, "true")
	inPlaceOnly := policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)
	tests := map[string]struct {
		set   *appsv1beta1.CloneSet
		pods  []*corev1.Pod
		asks  bool
		deeds []string
	}{
		"a restart in service":          {cloneSet(1, inService), []*corev1.Pod{old("a")}, true, []string{"UpdateInPlace a"}},
		"labels":                        {cloneSet(1, relabelled), []*corev1.Pod{old("a")}, false, []string{"UpdateInPlace a"}},
		"a recreation":                  {cloneSet(1, withEnv), []*corev1.Pod{old("a")}, true, []string{"Recreate a"}},
		"a pod that the user names":     {cloneSet(1), []*corev1.Pod{updated("a", specified)}, true, []string{"DeleteSpecified a"}},
		"scaling in":                    {cloneSet(1), []*corev1.Pod{updated("a"), updated("b")}, false, []string{"ScaleIn a"}},
		"scaling to nothing":            {cloneSet(0, surgeOf("0", "1")), []*corev1.Pod{old("a")}, false, []string{"ScaleIn a"}},
		"what surge pods stood in for":  {cloneSet(1, surgeOf("0", "1")), []*corev1.Pod{old("a"), updated("s", surged)}, true, []string{"ScaleIn a"}},
		"surge pods at the end":         {cloneSet(1, surgeOf("0", "1"), inPlaceOnly), []*corev1.Pod{updated("u"), surgePod("a")}, true, []string{"ScaleIn a"}},
		"a pod that is not ready":       {cloneSet(1), []*corev1.Pod{old("a", notReady())}, false, []string{"Drain a"}},
		"a recreation of such a pod":    {cloneSet(1, withEnv), []*corev1.Pod{old("a", notReady())}, false, []string{"Recreate a"}},
		"one whose gate is off only":    {cloneSet(1, withEnv), []*corev1.Pod{old("a", justOff)}, true, []string{"Recreate a"}},
		"one that was never in service": {cloneSet(1, withEnv), []*corev1.Pod{podAt(revisionA, "app:a", "a")}, false, []string{"Recreate a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			full := Compute(budgeted(tt.set, tt.pods, budgetOf("web", 0)))
			some := Compute(budgeted(tt.set, tt.pods, budgetOf("web", 3)))
			given := Compute(budgeted(tt.set, tt.pods, budgetOf("web", 0, taken("a", time.Second))))
			for _, deed := range tt.deeds {
				if got := slices.Contains(deeds(full), deed); got == tt.asks {
					t.Errorf("with no place left: %s: %t", deed, got)
				}
				if got := slices.Contains(deeds(some), deed); got == tt.asks {
					t.Errorf("before the place is seen: %s: %t", deed, got)
				}
				if !slices.Contains(deeds(given), deed) {
					t.Errorf("with its place: %v, want %s", deeds(given), deed)
				}
			}
			if got := slices.Contains(deeds(some), "Reserve web"); got != tt.asks {
				t.Errorf("takes a place: %t, want %t", got, tt.asks)
			}
		})
	}
}

// relabelled makes the update one of labels alone.
func relabelled(set *appsv1beta1.CloneSet) {
	set.Spec.Template = *templateOf("app:a")
	set.Spec.Template.Labels["tier"] = "front"
}

func TestPlacesAreGivenBack(t *testing.T) {
	gone := []Budget{budgetOf("web", 0, taken("a", 10*time.Second))}
	tests := map[string]struct {
		pods    []*corev1.Pod
		budgets []Budget
		edits   []edit
		want    []string
		wake    time.Duration
	}{
		"back in service":     {[]*corev1.Pod{updated("a")}, gone, nil, []string{"GiveBack web"}, 0},
		"of an eviction":      {[]*corev1.Pod{updated("a")}, []Budget{budgetOf("web", 0, evicting("a", 10*time.Second))}, nil, nil, 0},
		"of somebody else":    {[]*corev1.Pod{updated("b")}, gone, nil, nil, 0},
		"not to be updated":   {[]*corev1.Pod{old("a")}, gone, []edit{paused}, []string{"GiveBack web"}, 0},
		"not unready yet":     {[]*corev1.Pod{old("a", justOff)}, gone, nil, nil, 0},
		"on its way":          {[]*corev1.Pod{patchedTo(t, "a")}, gone, nil, nil, 50 * time.Second},
		"on its way for long": {[]*corev1.Pod{patchedTo(t, "a")}, []Budget{budgetOf("web", 0, taken("a", time.Minute))}, nil, []string{"GiveBack web"}, 0},
		"one back, one to go": {
			[]*corev1.Pod{updated("a"), old("b")}, []Budget{budgetOf("web", 1, taken("a", 10*time.Second))}, nil, []string{"Reserve web"}, 0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(len(tt.pods), append(tt.edits, func(set *appsv1beta1.CloneSet) {
				set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = new(intstr.FromString("100%"))
			})...)
			p := Compute(budgeted(set, tt.pods, tt.budgets...))
			expect(t, p, tt.want...)
			if p.Wake != tt.wake {
				t.Errorf("got wake %s, want %s", p.Wake, tt.wake)
			}
		})
	}
}

func TestPlacesAreWrittenAsTheEvictionAPIDoes(t *testing.T) {
	pods := []*corev1.Pod{updated("a"), updated("b"), old("c"), old("d"), old("e")}
	b := budgetOf("web", 3, taken("a", time.Minute), taken("b", time.Second))
	p := Compute(budgeted(cloneSet(5, maxUnavailableOf(2)), pods, b))
	expect(t, p, "Reserve web")
	want := `{"metadata":{"resourceVersion":"7","uid":"uid-pdb"},"status":{"disruptedPods":` +
		`{"a":null,"b":null,"c":"2026-03-01T13:00:00Z","d":"2026-03-01T13:00:00Z"},"disruptionsAllowed":1}}`
	a := &p.Actions[0]
	if diff := cmp.Diff(want, string(a.Patch)); diff != "" || a.Verb != VerbPatchStatus || a.Budget.Name != "web" {
		t.Errorf("%s of %s (-want +got):\n%s", a.Verb, a.Budget.Name, diff)
	}
	p = Compute(budgeted(cloneSet(5, paused), pods, b))
	expect(t, p, "GiveBack web")
	want = `{"metadata":{"resourceVersion":"7","uid":"uid-pdb"},"status":{"disruptedPods":{"a":null,"b":null}}}`
	if diff := cmp.Diff(want, string(p.Actions[0].Patch)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A pod that is held back takes nothing from those that are not.
func TestHeldPodsLockNobodyOut(t *testing.T) {
	first := func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.PriorityStrategy = &appsv1beta1.PriorityStrategy{
			OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "rank"}},
		}
	}
	pods := []*corev1.Pod{
		old("a", testpods.Label("rank", "9")), old("b", testpods.Label("rank", "8")), old("broken", notReady()),
	}
	expect(t, Compute(budgeted(cloneSet(3, first), pods, budgetOf("web", 0))), "Drain broken")
	expect(t, Compute(budgeted(cloneSet(3, first, withEnv), pods, budgetOf("web", 0))), "Recreate broken")
}

// What a place was taken for goes first, whatever came up since.
func TestPlacesDecideTheOrder(t *testing.T) {
	pods := []*corev1.Pod{old("a"), old("b"), old("c", bornAfter(time.Minute))}
	expect(t, Compute(budgeted(cloneSet(3), pods, budgetOf("web", 5))), "Reserve web")
	expect(t, Compute(budgeted(cloneSet(3), pods, budgetOf("web", 5, taken("b", 0)))), "Drain b")
}

func TestHookIsAnnouncedOnlyIfThereIsAPlace(t *testing.T) {
	hooked := func(set *appsv1beta1.CloneSet) {
		set.Spec.Lifecycle = &appsv1beta1.Lifecycle{InPlaceUpdate: &appsv1beta1.LifecycleHook{
			LabelsHandler: map[string]string{"example.com/registered": "true"}, MarkPodNotReady: true,
		}}
	}
	pods := []*corev1.Pod{old("a", testpods.Label("example.com/registered", "true"))}
	expect(t, Compute(budgeted(cloneSet(1, hooked), pods, budgetOf("web", 0))))
	expect(t, Compute(budgeted(cloneSet(1, hooked), pods, budgetOf("web", 1))), "PrepareUpdate a", "Reserve web")
	expect(t, Compute(budgeted(cloneSet(1, hooked), pods, budgetOf("web", 0, taken("a", 0)))), "PrepareUpdate a", "Drain a")
	// Whose hook was taken off is not called back for want of a place.
	waiting := []*corev1.Pod{old("a", testpods.Label(appsv1beta1.LifecycleStateLabel, "PreparingUpdate"))}
	expect(t, Compute(budgeted(cloneSet(1, hooked), waiting, budgetOf("web", 0))))
}

func TestAwaitingABudgetIsReported(t *testing.T) {
	tests := map[string]struct {
		pods    []*corev1.Pod
		budgets []Budget
		reason  string
		message string
	}{
		"held": {
			numbered(2, old),
			[]Budget{budgetOf("web", 0)},
			appsv1beta1.ReasonAwaitingDisruptionBudget,
			"0 of 2 pods are updated, 0 of them available; pods are held back by the PodDisruptionBudget web, which needs 2 healthy pods and has 2",
		},
		"held by two": {
			numbered(2, old),
			[]Budget{budgetOf("web", 0), budgetOf("all", 0), budgetOf("some", 1)},
			appsv1beta1.ReasonAwaitingDisruptionBudget,
			"PodDisruptionBudget all, which needs 2 healthy pods and has 2, and by web, which needs 2 healthy pods and has 2",
		},
		"not counted yet": {
			numbered(2, old),
			[]Budget{budgetOf("web", 1, func(b *Budget) { b.Generation++ })},
			appsv1beta1.ReasonAwaitingDisruptionBudget, "web, whose numbers are not known yet",
		},
		"held while another is on its way": {
			[]*corev1.Pod{patchedTo(t, "a"), old("b")}, []Budget{budgetOf("web", 0)}, appsv1beta1.ReasonUpdating, "held back by",
		},
		"held while a place is in use": {
			[]*corev1.Pod{updated("a"), old("b")}, []Budget{budgetOf("web", 0, taken("a", time.Second))}, appsv1beta1.ReasonUpdating, "held back by",
		},
		"about to be counted anew": {
			[]*corev1.Pod{updated("a"), old("b"), old("c")}, []Budget{budgetOf("web", 0)}, appsv1beta1.ReasonUpdating, "held back by",
		},
		"a place is taken": {
			[]*corev1.Pod{updated("a"), old("b")}, []Budget{budgetOf("web", 1)}, appsv1beta1.ReasonUpdating, "1 of 2 pods are updated, 1 of them available",
		},
		"a pod that the user named": {
			[]*corev1.Pod{updated("a"), updated("b", testpods.Label(appsv1beta1.SpecifiedDeleteLabel, ""))},
			[]Budget{budgetOf("web", 0)},
			appsv1beta1.ReasonAwaitingDisruptionBudget, "1 are to be deleted; pods are held back by",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := standing(time.Hour, maxUnavailableOf(2), func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = new(int32(len(tt.pods))) })
			set.Spec.ProgressDeadlineSeconds = new(int32(7200))
			p := Compute(budgeted(set, tt.pods, tt.budgets...))
			progressing := conditionOf(p, appsv1beta1.ConditionProgressing)
			if progressing.Reason != tt.reason || !strings.Contains(progressing.Message, tt.message) {
				t.Errorf("got %s: %s", progressing.Reason, progressing.Message)
			}
			if got := conditionOf(p, appsv1beta1.ConditionReconciling).Status; got != metav1.ConditionTrue {
				t.Errorf("Reconciling is %s", got)
			}
		})
	}
}

func TestAwaitingABudgetStopsTheDeadline(t *testing.T) {
	set := standing(time.Hour)
	in := budgeted(set, numbered(2, old), budgetOf("web", 0))
	p := Compute(in)
	if reason, _ := progressOf(p); reason != appsv1beta1.ReasonAwaitingDisruptionBudget || p.Wake != 0 {
		t.Fatalf("got %s, wake %s", reason, p.Wake)
	}
	if got, want := p.Status.LastProgressTime, set.Status.LastProgressTime; !got.Equal(want) {
		t.Errorf("moved last at %s, want %s", got, want)
	}
	// Then there is a place, and the time begins to count.
	set.Status = p.Status
	in.Budgets = []Budget{budgetOf("web", 1)}
	p = Compute(in)
	if reason, _ := progressOf(p); reason != appsv1beta1.ReasonUpdating || p.Wake != 10*time.Minute {
		t.Errorf("got %s, wake %s", reason, p.Wake)
	}
}

// The slot of a pod between two batches that has to stay in service is free for the one because of which it has to.
func TestHeldPodYieldsItsSlot(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = []appsv1beta1.ContainerUpdate{
			{Name: "log", Priority: 1, Drain: appsv1beta1.DrainNotRequired}, {Name: "web", Drain: appsv1beta1.DrainNotRequired},
		}
	})
	p.perform("UpdateInPlace a")
	p.expectImages("web:a", "log:b")
	p.kubelet("log", 2, "log:b")
	broken := p.in.Pods[1].DeepCopy()
	notReady()(broken)
	p.in.Pods[1] = broken
	p.in.Budgets = []Budget{budgetOf("web", 0)}
	expect(t, Compute(p.in), "UpdateInPlace b")
	p.in.Budgets = []Budget{budgetOf("web", 1)}
	expect(t, Compute(p.in), "Reserve web")
}

// Kubernetes counts for only one of several budgets when a pod changes. The other one would never have a place.
func TestNeglectedBudgetIsCountedAnew(t *testing.T) {
	fewer := counting(0)
	tests := map[string]struct {
		pods    []*corev1.Pod
		budgets []Budget
		want    []string
	}{
		"one of two is behind":  {numbered(2, old), []Budget{budgetOf("web", 1), budgetOf("all", 0, fewer)}, []string{"Recount all"}},
		"both are":              {numbered(2, old), []Budget{budgetOf("web", 0, fewer), budgetOf("all", 0, fewer)}, []string{"Recount all", "Recount web"}},
		"neither is":            {numbered(2, old), []Budget{budgetOf("web", 1), budgetOf("all", 0)}, nil},
		"there is but one":      {numbered(2, old), []Budget{budgetOf("all", 0, fewer)}, nil},
		"it is asked for":       {numbered(2, old), []Budget{budgetOf("web", 1), budgetOf("all", 0, fewer, func(b *Budget) { b.Status.ObservedGeneration = 0 })}, nil},
		"the other is others'":  {numbered(2, old), []Budget{budgetOf("all", 0, fewer), budgetOf("db", 0, selecting(&metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}))}, nil},
		"a place is counted":    {numbered(1, old), []Budget{budgetOf("web", 1), budgetOf("all", 0, fewer, evicting("web-0000", time.Hour))}, nil},
		"those that are not up": {numbered(1, old), []Budget{budgetOf("web", 1), budgetOf("all", 0, counting(1))}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(budgeted(cloneSet(len(tt.pods)), tt.pods, tt.budgets...))
			expect(t, p, tt.want...)
			for i := range p.Actions {
				want := `{"metadata":{"resourceVersion":"7","uid":"uid-pdb"},"status":{"observedGeneration":0}}`
				if diff := cmp.Diff(want, string(p.Actions[i].Patch)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// A pod that was seen not ready, and so asks nobody, may be ready by now.
func TestUnaskedPodsHaveToBeAsTheyWereSeen(t *testing.T) {
	hooked := func(set *appsv1beta1.CloneSet) { set.Spec.Lifecycle = &appsv1beta1.Lifecycle{} }
	budgets := []Budget{budgetOf("web", 0)}
	tests := map[string]struct {
		set     *appsv1beta1.CloneSet
		pod     *corev1.Pod
		budgets []Budget
		want    bool
	}{
		"drained":                      {cloneSet(1), old("a", notReady()), budgets, true},
		"recreated":                    {cloneSet(1, withEnv), old("a", notReady()), budgets, true},
		"with a place":                 {cloneSet(1), old("a"), []Budget{budgetOf("web", 0, taken("a", 0))}, false},
		"without a budget":             {cloneSet(1), old("a", notReady()), nil, false},
		"with a budget of others":      {cloneSet(1), old("a", notReady()), []Budget{budgetOf("web", 0, selecting(nil))}, false},
		"recreated without a budget":   {cloneSet(1, withEnv), old("a", notReady()), nil, false},
		"announced at the same time":   {cloneSet(1, hooked), old("a", notReady()), budgets, false},
		"relabelled at the same time":  {cloneSet(1), old("a", notReady(), func(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) }), budgets, false},
		"put into service by the same": {cloneSet(1, withEnv), podAt(revisionA, "app:a", "a"), budgets, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(budgeted(tt.set, []*corev1.Pod{tt.pod}, tt.budgets...))
			i := slices.IndexFunc(p.Actions, func(a Action) bool { return a.Kind == Drain || a.Kind == Recreate })
			if i < 0 {
				t.Fatalf("got %v", deeds(p))
			}
			a := &p.Actions[i]
			if got := a.Unchanged || strings.Contains(string(a.Patch), `"resourceVersion":"100"`); got != tt.want {
				t.Errorf("conditioned on the resourceVersion: %t, want %t: %s", got, tt.want, a.Patch)
			}
			if a.Kind == Drain {
				apply(t, tt.pod, a.Patch)
			}
		})
	}
}

// A pod whose hook is off, and that no budget has a place for, leaves its slot to the broken pod that the budget waits for.
func TestHeldReplacementYieldsItsSlot(t *testing.T) {
	pods := []*corev1.Pod{old("a", state(appsv1beta1.LifecyclePreparingDelete)), old("b", notReady())}
	expect(t, Compute(budgeted(cloneSet(2, withEnv, withHooks), pods, budgetOf("web", 0))), "Recreate b")
}

// A place that is older than the pod is that of the pod that had the name before it.
func TestPlaceOfAPredecessorIsNotUsed(t *testing.T) {
	pods := []*corev1.Pod{old("a", bornAfter(time.Hour))}
	expect(t, Compute(budgeted(cloneSet(1), pods, budgetOf("web", 1, taken("a", time.Second)))), "Reserve web")
	expect(t, Compute(budgeted(cloneSet(1), pods, budgetOf("web", 1, taken("a", 0)))), "Drain a")
}
