package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	rollingPath   = "spec.updateStrategy.rollingUpdate."
	priorityPath  = rollingPath + "priorityStrategy"
	scatterPath   = rollingPath + "scatterStrategy"
	containerPath = rollingPath + "inPlaceUpdateStrategy.containers"
)

// wrongSpec is an edit that makes a CloneSet invalid, and the fields that are told of.
type wrongSpec struct {
	edit edit
	want []string
}

func checkWrong(t *testing.T, tests map[string]wrongSpec) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range Validate(cloneSet(3, tt.edit)) {
				got = append(got, err.Field)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func prioritized(weights []appsv1beta1.WeightPriorityTerm, keys ...string) edit {
	strategy := &appsv1beta1.PriorityStrategy{WeightPriority: weights}
	for _, key := range keys {
		strategy.OrderPriority = append(strategy.OrderPriority, appsv1beta1.OrderPriorityTerm{OrderedKey: key})
	}
	return rolling(func(r *appsv1beta1.RollingUpdate) { r.PriorityStrategy = strategy })
}

func weigh(weight int32, operator metav1.LabelSelectorOperator) []appsv1beta1.WeightPriorityTerm {
	expressions := []metav1.LabelSelectorRequirement{{Key: "zone", Operator: operator}}
	return []appsv1beta1.WeightPriorityTerm{{Weight: weight, MatchSelector: metav1.LabelSelector{MatchExpressions: expressions}}}
}

func TestValidateOrder(t *testing.T) {
	scatter := func(terms ...appsv1beta1.ScatterTerm) edit {
		return rolling(func(r *appsv1beta1.RollingUpdate) { r.ScatterStrategy = terms })
	}
	checkWrong(t, map[string]wrongSpec{
		"a priority of nothing":           {prioritized(nil), []string{priorityPath}},
		"a priority of both":              {prioritized(weigh(1, metav1.LabelSelectorOpExists), "zone"), []string{priorityPath}},
		"a priority of one":               {prioritized(nil, "example.com/zone", "zone"), nil},
		"a priority by a weight":          {prioritized(weigh(100, metav1.LabelSelectorOpExists)), nil},
		"a weight over 100":               {prioritized(weigh(101, metav1.LabelSelectorOpExists)), []string{priorityPath + ".weightPriority[0].weight"}},
		"a weight below 0":                {prioritized(weigh(-1, metav1.LabelSelectorOpExists)), []string{priorityPath + ".weightPriority[0].weight"}},
		"a weight of a broken expression": {prioritized(weigh(1, metav1.LabelSelectorOpIn)), []string{priorityPath + ".weightPriority[0].matchSelector"}},
		"an order by no label":            {prioritized(nil, "zone", "a b"), []string{priorityPath + ".orderPriority[1].orderedKey"}},
		"scatter": {
			scatter(appsv1beta1.ScatterTerm{Key: "zone", Value: "a"}, appsv1beta1.ScatterTerm{Key: "zone", Value: "b"}), nil,
		},
		"scatter twice the same": {
			scatter(appsv1beta1.ScatterTerm{Key: "zone", Value: "a"}, appsv1beta1.ScatterTerm{Key: "zone", Value: "a"}),
			[]string{scatterPath + "[1]"},
		},
		"scatter by no label": {
			scatter(appsv1beta1.ScatterTerm{Key: "-", Value: "*"}), []string{scatterPath + "[0].key", scatterPath + "[0].value"},
		},
	})
}

func TestValidateContainerUpdates(t *testing.T) {
	containers := func(updates ...appsv1beta1.ContainerUpdate) edit {
		return func(set *appsv1beta1.CloneSet) {
			set.Spec.Template.Spec.Containers[0].Name = "main"
			set.Spec.Template.Spec.InitContainers = []corev1.Container{
				{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}, {Name: "setup"},
			}
			set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Containers = updates
		}
	}
	checkWrong(t, map[string]wrongSpec{
		"a container and a native sidecar": {containers(appsv1beta1.ContainerUpdate{Name: "main"}, appsv1beta1.ContainerUpdate{Name: "proxy"}), nil},
		"a container that is not there":    {containers(appsv1beta1.ContainerUpdate{Name: "mian"}), []string{containerPath + "[0].name"}},
		"an ordinary init container":       {containers(appsv1beta1.ContainerUpdate{Name: "setup"}), []string{containerPath + "[0].name"}},
		"a container twice":                {containers(appsv1beta1.ContainerUpdate{Name: "main"}, appsv1beta1.ContainerUpdate{Name: "main"}), []string{containerPath + "[1].name"}},
		"an unknown drain":                 {containers(appsv1beta1.ContainerUpdate{Name: "main", Drain: "Never"}), []string{containerPath + "[0].drain"}},
	})
}

func TestValidateEnums(t *testing.T) {
	checkWrong(t, map[string]wrongSpec{
		"OnDelete": {
			func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType }, nil,
		},
		"an unknown strategy": {
			func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.Type = "Recreate" }, []string{"spec.updateStrategy.type"},
		},
		"an unknown policy": {
			rolling(func(r *appsv1beta1.RollingUpdate) { r.PodUpdatePolicy = "Always" }), []string{rollingPath + "podUpdatePolicy"},
		},
		"an unknown word for same images": {
			inPlaceAs(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.SameImage = "Ignore" }),
			[]string{rollingPath + "inPlaceUpdateStrategy.sameImage"},
		},
		"a pin on something else": {
			inPlaceAs(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Pin = "Tag" }), []string{rollingPath + "inPlaceUpdateStrategy.pin"},
		},
		"same images skipped, and tags pinned": {
			inPlaceAs(func(s *appsv1beta1.InPlaceUpdateStrategy) { skipping(s); pinning(s) }), nil,
		},
		"a deadline of minReadySeconds": {
			func(set *appsv1beta1.CloneSet) {
				set.Spec.MinReadySeconds, set.Spec.ProgressDeadlineSeconds = 30, new(int32(30))
			},
			[]string{"spec.progressDeadlineSeconds"},
		},
		"a deadline of 0": {
			func(set *appsv1beta1.CloneSet) { set.Spec.ProgressDeadlineSeconds = new(int32(0)) },
			[]string{"spec.progressDeadlineSeconds"},
		},
	})
}

func TestValidateClaims(t *testing.T) {
	claim := func(name string, mode corev1.PersistentVolumeAccessMode, size string) corev1.PersistentVolumeClaim {
		c := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if mode != "" {
			c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{mode}
		}
		if size != "" {
			c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
		}
		return c
	}
	with := func(claims ...corev1.PersistentVolumeClaim) edit {
		return func(set *appsv1beta1.CloneSet) { set.Spec.VolumeClaimTemplates = claims }
	}
	const path = "spec.volumeClaimTemplates"
	checkWrong(t, map[string]wrongSpec{
		"two claims":                   {with(claim("data", "ReadWriteOnce", "1Gi"), claim("logs", "ReadWriteOnce", "1Gi")), nil},
		"two of one name":              {with(claim("data", "ReadWriteOnce", "1Gi"), claim("data", "ReadWriteOnce", "1Gi")), []string{path + "[1].metadata.name"}},
		"a claim without a name":       {with(claim("", "ReadWriteOnce", "1Gi")), []string{path + "[0].metadata.name"}},
		"a claim with a dot":           {with(claim("a.b", "ReadWriteOnce", "1Gi")), []string{path + "[0].metadata.name"}},
		"a claim with too long a name": {with(claim(strings.Repeat("a", 64), "ReadWriteOnce", "1Gi")), []string{path + "[0].metadata.name"}},
		"a claim without modes":        {with(claim("data", "", "1Gi")), []string{path + "[0].spec.accessModes"}},
		"a claim without a size":       {with(claim("data", "ReadWriteOnce", "")), []string{path + "[0].spec.resources.requests.storage"}},
	})
}

func TestValidateLifecycle(t *testing.T) {
	update := func(hook appsv1beta1.LifecycleHook) edit {
		return func(set *appsv1beta1.CloneSet) { set.Spec.Lifecycle = &appsv1beta1.Lifecycle{InPlaceUpdate: &hook} }
	}
	labels := func(key, value string) edit {
		return update(appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{key: value}})
	}
	finalizer := func(name string) edit {
		return update(appsv1beta1.LifecycleHook{FinalizersHandler: []string{name}})
	}
	const path = "spec.lifecycle.inPlaceUpdate"
	const handler, first = path + ".labelsHandler", path + ".finalizersHandler[0]"
	checkWrong(t, map[string]wrongSpec{
		"no hooks":                     {func(set *appsv1beta1.CloneSet) { set.Spec.Lifecycle = &appsv1beta1.Lifecycle{} }, nil},
		"a label":                      {labels("example.com/registered", "true"), nil},
		"a finalizer":                  {finalizer("example.com/deregister"), nil},
		"a hook of nothing":            {update(appsv1beta1.LifecycleHook{MarkPodNotReady: true}), []string{path}},
		"a label of the controller's":  {labels("apps.insitu.dev/managed", "true"), []string{handler + "[apps.insitu.dev/managed]"}},
		"the label of the revision":    {labels("controller-revision-hash", "x"), []string{handler + "[controller-revision-hash]"}},
		"a label of the selector":      {labels("app", "web"), []string{handler + "[app]"}},
		"a label that is none":         {labels("a b", "true"), []string{handler}},
		"a value that is none":         {labels("a", "*"), []string{handler + "[a]"}},
		"a finalizer without a domain": {finalizer("deregister"), []string{first}},
		"a finalizer that is none":     {finalizer("example.com/a/b"), []string{first}},
		"preNormal that marks the pod": {
			func(set *appsv1beta1.CloneSet) {
				hook := &appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{"a": "b"}, MarkPodNotReady: true}
				set.Spec.Lifecycle = &appsv1beta1.Lifecycle{PreNormal: hook}
			},
			[]string{"spec.lifecycle.preNormal.markPodNotReady"},
		},
	})
}
