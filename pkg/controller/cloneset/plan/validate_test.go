package plan

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// spec makes an edit of a pod template's spec.
func spec(change func(*corev1.PodSpec)) edit {
	return func(set *appsv1beta1.CloneSet) { change(&set.Spec.Template.Spec) }
}

func rolling(change func(*appsv1beta1.RollingUpdate)) edit {
	return func(set *appsv1beta1.CloneSet) { change(&set.Spec.UpdateStrategy.RollingUpdate) }
}

func TestValidateNamesTheField(t *testing.T) {
	tests := map[string]struct {
		edit edit
		want []string
	}{
		"long name": {func(set *appsv1beta1.CloneSet) { set.Name = strings.Repeat("a", 53) }, []string{"metadata.name"}},
		"negative replicas": {
			func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = new(int32(-1)) }, []string{"spec.replicas"},
		},
		"negative revisionHistoryLimit": {
			func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32(-1)) }, []string{"spec.revisionHistoryLimit"},
		},
		"negative minReadySeconds": {
			func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = -1 }, []string{"spec.minReadySeconds"},
		},
		"negative gracePeriodSeconds": {
			rolling(func(r *appsv1beta1.RollingUpdate) { r.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32(-1)) }),
			[]string{"spec.updateStrategy.rollingUpdate.inPlaceUpdateStrategy.gracePeriodSeconds"},
		},
		"a drain until a condition of Kubernetes": {
			rolling(func(r *appsv1beta1.RollingUpdate) {
				r.InPlaceUpdateStrategy.Drain = &appsv1beta1.DrainStrategy{UntilCondition: "Ready"}
			}),
			[]string{"spec.updateStrategy.rollingUpdate.inPlaceUpdateStrategy.drain.untilCondition"},
		},
		"a drain of a negative time": {
			rolling(func(r *appsv1beta1.RollingUpdate) {
				r.InPlaceUpdateStrategy.Drain = &appsv1beta1.DrainStrategy{UntilCondition: "example.com/drained", TimeoutSeconds: new(int32(-1))}
			}),
			[]string{"spec.updateStrategy.rollingUpdate.inPlaceUpdateStrategy.drain.timeoutSeconds"},
		},
		"labels of the controller's": {
			func(set *appsv1beta1.CloneSet) {
				set.Spec.Template.Labels[appsv1beta1.SpecifiedDeleteLabel] = ""
				set.Spec.Template.Labels[appsv1beta1.RevisionLabel] = "web-a"
			},
			[]string{
				"spec.template.metadata.labels[apps.insitu.dev/specified-delete]", "spec.template.metadata.labels[controller-revision-hash]",
			},
		},
		"an annotation of the controller's": {
			func(set *appsv1beta1.CloneSet) {
				set.Spec.Template.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: "{}"}
			},
			[]string{"spec.template.metadata.annotations[apps.insitu.dev/inplace-state]"},
		},
		"no selector":    {func(set *appsv1beta1.CloneSet) { set.Spec.Selector = nil }, []string{"spec.selector"}},
		"empty selector": {func(set *appsv1beta1.CloneSet) { set.Spec.Selector = &metav1.LabelSelector{} }, []string{"spec.selector"}},
		"selector with an unknown operator": {
			func(set *appsv1beta1.CloneSet) {
				set.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Near"}}
			},
			[]string{"spec.selector"},
		},
		"selector that does not match the template": {
			func(set *appsv1beta1.CloneSet) { set.Spec.Template.Labels = map[string]string{"app": "db"} }, []string{"spec.selector"},
		},
		"no containers": {spec(func(s *corev1.PodSpec) { s.Containers = nil }), []string{"spec.template.spec.containers"}},
		"restartPolicy Never": {
			spec(func(s *corev1.PodSpec) { s.RestartPolicy = corev1.RestartPolicyNever }), []string{"spec.template.spec.restartPolicy"},
		},
		"activeDeadlineSeconds": {
			spec(func(s *corev1.PodSpec) { s.ActiveDeadlineSeconds = new(int64(1)) }), []string{"spec.template.spec.activeDeadlineSeconds"},
		},
		"restartPolicy of a container": {
			spec(func(s *corev1.PodSpec) { s.Containers[0].RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways) }),
			[]string{"spec.template.spec.containers[0].restartPolicy"},
		},
		"restart rules of a container": {
			spec(func(s *corev1.PodSpec) { s.Containers[0].RestartPolicyRules = []corev1.ContainerRestartRule{{}} }),
			[]string{"spec.template.spec.containers[0].restartPolicyRules"},
		},
		"init container restarted on failure, with rules": {
			spec(func(s *corev1.PodSpec) {
				s.InitContainers = []corev1.Container{{
					Name: "setup", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyOnFailure),
					RestartPolicyRules: []corev1.ContainerRestartRule{{}},
				}}
			}),
			[]string{"spec.template.spec.initContainers[0].restartPolicy", "spec.template.spec.initContainers[0].restartPolicyRules"},
		},
	}
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

func TestValidateRefusesNumbersThatCannotBeEvaluated(t *testing.T) {
	for _, value := range []intstr.IntOrString{
		intstr.FromInt(-1), intstr.FromString("5"), intstr.FromString(""), intstr.FromString("101%"), intstr.FromString("+1%"),
		intstr.FromString("-1%"), intstr.FromString("33.3%"), intstr.FromString("01%"), intstr.FromString("many"),
	} {
		for path, set := range limitFields(&value) {
			errs := Validate(set)
			if len(errs) != 1 || errs[0].Field != path {
				t.Errorf("%s %q: got %v", path, value.String(), errs)
			}
		}
	}
}

// limitFields returns CloneSets with a value in each of the fields that take a number or a percentage.
func limitFields(value *intstr.IntOrString) map[string]*appsv1beta1.CloneSet {
	const update = "spec.updateStrategy.rollingUpdate."
	return map[string]*appsv1beta1.CloneSet{
		update + "partition":      cloneSet(10, rolling(func(r *appsv1beta1.RollingUpdate) { r.Partition = value })),
		update + "maxUnavailable": cloneSet(10, rolling(func(r *appsv1beta1.RollingUpdate) { r.MaxUnavailable = value })),
		update + "maxSurge":       cloneSet(10, rolling(func(r *appsv1beta1.RollingUpdate) { r.MaxSurge = value })),
		"spec.scaleStrategy.maxUnavailable": cloneSet(10, func(set *appsv1beta1.CloneSet) {
			set.Spec.ScaleStrategy.MaxUnavailable = value
		}),
	}
}

func TestValidateRefusesLimitsThatLetNothingHappen(t *testing.T) {
	for _, none := range []string{"0", "0%"} {
		value := new(intstr.Parse(none))
		for _, surge := range []*intstr.IntOrString{nil, new(intstr.FromInt32(0)), new(intstr.FromString("0%"))} {
			set := cloneSet(10, rolling(func(r *appsv1beta1.RollingUpdate) { r.MaxUnavailable, r.MaxSurge = value, surge }))
			if errs := Validate(set); len(errs) != 1 || errs[0].Field != "spec.updateStrategy.rollingUpdate.maxUnavailable" {
				t.Errorf("maxUnavailable %s with maxSurge %v: got %v", none, surge, errs)
			}
		}
		set := cloneSet(10, func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.MaxUnavailable = value })
		if errs := Validate(set); len(errs) != 1 || errs[0].Field != "spec.scaleStrategy.maxUnavailable" {
			t.Errorf("%s pods at a time: got %v", none, errs)
		}
	}
}

func TestValidateAccepts(t *testing.T) {
	tests := map[string]edit{
		"the plain one":     func(*appsv1beta1.CloneSet) {},
		"no replicas":       func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = new(int32(0)) },
		"the longest name":  func(set *appsv1beta1.CloneSet) { set.Name = strings.Repeat("a", 52) },
		"restartPolicy":     spec(func(s *corev1.PodSpec) { s.RestartPolicy = corev1.RestartPolicyAlways }),
		"no numbers at all": rolling(func(r *appsv1beta1.RollingUpdate) { *r = appsv1beta1.RollingUpdate{} }),
		"a surge that makes up for the pods": rolling(func(r *appsv1beta1.RollingUpdate) {
			r.MaxUnavailable, r.MaxSurge = new(intstr.FromInt32(0)), new(intstr.FromString("1%"))
		}),
		"a deadline that is off": func(set *appsv1beta1.CloneSet) {
			set.Spec.ProgressDeadlineSeconds, set.Spec.MinReadySeconds = new(int32(math.MaxInt32)), math.MaxInt32
		},
		"a partition of 100%": rolling(func(r *appsv1beta1.RollingUpdate) { r.Partition = new(intstr.FromString("100%")) }),
		"a native sidecar": spec(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)}}
		}),
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			if errs := Validate(cloneSet(3, edit)); len(errs) > 0 {
				t.Error(errs)
			}
		})
	}
}

func TestInvalidSpecTouchesNoPod(t *testing.T) {
	set := cloneSet(3, func(set *appsv1beta1.CloneSet) { set.Spec.Selector = &metav1.LabelSelector{} })
	set.Status.ReadyReplicas = 2
	p := Compute(inputOf(set, old("web-1"), old("web-2", testpods.Drained(testpods.Start()))))
	expect(t, p)
	if p.Status.ObservedGeneration != 3 || p.Status.ReadyReplicas != 2 {
		t.Errorf("got status %+v, want the counters as they were at generation 3", p.Status)
	}
	wantConditions(t, p, "Progressing=False/InvalidSpec", "Reconciling=False/AsSpecified", "Stalled=True/InvalidSpec")
	if set.Status.ObservedGeneration != 0 || len(set.Status.Conditions) > 0 {
		t.Error("the status that was read is changed")
	}
}

func TestDeletedCloneSetIsLeftAlone(t *testing.T) {
	set := cloneSet(3, func(set *appsv1beta1.CloneSet) { set.DeletionTimestamp = new(metav1.NewTime(now())) })
	set.Status.Replicas = 1
	p := Compute(inputOf(set, old("web-1")))
	expect(t, p)
	if diff := cmp.Diff(set.Status, p.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
