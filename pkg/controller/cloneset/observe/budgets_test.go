package observe

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// budget returns a PodDisruptionBudget of an app, with entries for some pods.
func budget(app string, pods ...string) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{
			Name: "of-" + app, Namespace: metav1.NamespaceDefault, UID: types.UID("uid-of-" + app), ResourceVersion: "7", Generation: 3,
			Labels: map[string]string{"team": "a"},
		},
		Spec: policyv1.PodDisruptionBudgetSpec{
			Selector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
			MinAvailable: new(intstr.FromInt32(2)),
		},
		Status: policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: 3, DisruptedPods: map[string]metav1.Time{},
			DisruptionsAllowed: 1, CurrentHealthy: 3, DesiredHealthy: 2, ExpectedPods: 3,
			Conditions: []metav1.Condition{{Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionTrue}},
		},
	}
	for _, pod := range pods {
		b.Status.DisruptedPods[pod] = metav1.NewTime(testpods.Start())
	}
	return b
}

// managed returns that somebody has written some fields.
func managed(manager, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields),
	}
}

func TestPlacesAreOursIfWeManageThem(t *testing.T) {
	tests := map[string]struct {
		fields []metav1.ManagedFieldsEntry
		want   []string
	}{
		"nobody's": {nil, nil},
		"ours": {[]metav1.ManagedFieldsEntry{
			managed("insitu", "status", `{"f:status":{"f:disruptedPods":{".":{},"f:web-a":{}},"f:disruptionsAllowed":{}}}`),
		}, []string{"web-a"}},
		"an eviction's and ours": {[]metav1.ManagedFieldsEntry{
			managed("kube-apiserver", "status", `{"f:status":{"f:disruptedPods":{"f:web-a":{}}}}`),
			managed("insitu", "status", `{"f:status":{"f:disruptedPods":{"f:web-b":{}}}}`),
		}, []string{"web-b"}},
		"one that is gone":     {[]metav1.ManagedFieldsEntry{managed("insitu", "status", `{"f:status":{"f:disruptedPods":{"f:web-c":{}}}}`)}, nil},
		"not of the status":    {[]metav1.ManagedFieldsEntry{managed("insitu", "", `{"f:status":{"f:disruptedPods":{"f:web-a":{}}}}`)}, nil},
		"what nobody can read": {[]metav1.ManagedFieldsEntry{managed("insitu", "status", `[`)}, nil},
		"no fields":            {[]metav1.ManagedFieldsEntry{{Manager: "insitu", Subresource: "status"}}, nil},
		"another field":        {[]metav1.ManagedFieldsEntry{managed("insitu", "status", `{"f:status":{"f:disruptionsAllowed":{}}}`)}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := budget("web", "web-a", "web-b")
			b.ManagedFields = tt.fields
			got := slices.Sorted(maps.Keys(BudgetOf(TrimBudget(b)).Ours))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A plan made from what the cache keeps is the plan that is made from all there is.
func TestTrimmedBudgetDecidesTheSame(t *testing.T) {
	set := cloneSet()
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "app:b"}}
	before := set.Spec.Template.DeepCopy()
	before.Spec.Containers[0].Image = "app:a"
	pod := testpods.New("web-a", owned, testpods.Label("app", "web"), testpods.Revision("web-1"),
		testpods.Container("web", "app:a"), testpods.Serving())
	in := plan.Input{Set: set, Pods: []*corev1.Pod{pod}, Now: testpods.Start().Add(10 * time.Second)}
	in.Revisions.Update = plan.Revision{Name: "web-2", Template: &set.Spec.Template}
	in.Revisions.Current = plan.Revision{Name: "web-1", Template: before}
	in.Revisions.Templates = map[string]*corev1.PodTemplateSpec{"web-1": before, "web-2": &set.Spec.Template}

	ours := managed("insitu", "status", `{"f:status":{"f:disruptedPods":{"f:web-a":{}}}}`)
	for name, change := range map[string]func(*policyv1.PodDisruptionBudget){
		"a place":  func(*policyv1.PodDisruptionBudget) {},
		"none":     func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = 0 },
		"outdated": func(b *policyv1.PodDisruptionBudget) { b.Generation = 4 },
		"taken": func(b *policyv1.PodDisruptionBudget) {
			b.Status.DisruptedPods["web-a"] = metav1.NewTime(testpods.Start())
		},
		"given back": func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptedPods["web-a"] = metav1.Time{} },
		"others":     func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector.MatchLabels["app"] = "db" },
	} {
		t.Run(name, func(t *testing.T) {
			b := budget("web")
			b.ManagedFields = []metav1.ManagedFieldsEntry{managed("kube-controller-manager", "status", `{}`), ours}
			change(b)
			in.Budgets = []plan.Budget{BudgetOf(b)}
			want := plan.Compute(in)
			in.Budgets = []plan.Budget{BudgetOf(TrimBudget(b))}
			got := plan.Compute(in)
			text := func(p plan.Plan) (all []string) {
				for i := range p.Actions {
					all = append(all, p.Actions[i].String()+string(p.Actions[i].Patch))
				}
				return all
			}
			if diff := cmp.Diff(text(want), text(got)); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.Status, got.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCacheTrimsBudgets(t *testing.T) {
	var options cache.ByObject
	for kind, by := range CacheOptions().ByObject {
		if _, ok := kind.(*policyv1.PodDisruptionBudget); ok {
			options = by
		}
	}
	b := budget("web")
	b.ManagedFields = []metav1.ManagedFieldsEntry{managed("kubectl", "", `{}`)}
	trimmed, err := options.Transform(b)
	if got, ok := trimmed.(*policyv1.PodDisruptionBudget); err != nil || !ok || got.Labels != nil || got.ManagedFields != nil || got.UID != b.UID {
		t.Errorf("got %+v, %v", trimmed, err)
	}
	if other, err := options.Transform("something"); err != nil || other != "something" {
		t.Errorf("got %v, %v", other, err)
	}
}

func TestBudgetsAreThoseOfTheNamespace(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Budgets, budget("web"))
	elsewhere := budget("db")
	elsewhere.Namespace = "elsewhere"
	add(t, o.Stores.Budgets, elsewhere)
	in, err := o.Observe(t.Context(), cloneSet(), plan.Revisions{})
	if err != nil || len(in.Budgets) != 1 || in.Budgets[0].Name != "of-web" {
		t.Errorf("got %v, %v", in.Budgets, err)
	}
}

func TestSelectedByBudgets(t *testing.T) {
	stores := newStores()
	for _, name := range []string{"web", "db"} {
		set := cloneSet()
		set.Name, set.UID = name, types.UID("uid-"+name)
		add(t, stores.Sets, set)
		add(t, stores.Pods, testpods.New(name+"-1", testpods.Label("app", name), func(pod *corev1.Pod) {
			pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)}
		}))
	}
	elsewhere, broken := budget("web"), budget("web")
	elsewhere.Namespace = "elsewhere"
	broken.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Near"}}
	tests := map[string]struct {
		budgets []*policyv1.PodDisruptionBudget
		want    []string
	}{
		"no budget":             {nil, nil},
		"one":                   {[]*policyv1.PodDisruptionBudget{budget("web")}, []string{"web"}},
		"before and after":      {[]*policyv1.PodDisruptionBudget{budget("web"), budget("db")}, []string{"db", "web"}},
		"nobody's":              {[]*policyv1.PodDisruptionBudget{budget("cache")}, nil},
		"of another namespace":  {[]*policyv1.PodDisruptionBudget{elsewhere}, nil},
		"that cannot be parsed": {[]*policyv1.PodDisruptionBudget{broken}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, set := range stores.SelectedBy(tt.budgets...) {
				got = append(got, client.ObjectKeyFromObject(set).Name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
