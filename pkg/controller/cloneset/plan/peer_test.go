package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// outcome is what came of a rollout.
type outcome struct {
	// Down and Pods are the most pods that were out of service, and that existed, at a time.
	Down, Pods int
	// InPlace, Created and Deleted are how many pods were.
	InPlace, Created, Deleted int
	// Reason is that of Progressing in the end.
	Reason string
}

// fleet plays a rollout of healthy pods: in each step a pass, whose actions are performed, and kubelets that do at once what
// is asked for.
type fleet struct {
	t    *testing.T
	in   Input
	pods map[string]*corev1.Pod
	// updates are the pods that were updated in place, in that order; those of one pass are in the order of their names.
	updates []string
	// after is called after each pass, if it is set.
	after func()
	// meddle is done before the pass of a step.
	meddle func(step int)
	outcome
}

func newFleet(t *testing.T, set *appsv1beta1.CloneSet, pods ...*corev1.Pod) *fleet {
	f := &fleet{t: t, in: inputOf(set), pods: map[string]*corev1.Pod{}}
	for _, pod := range pods {
		f.pods[pod.Name] = pod
	}
	return f
}

// run plays until nothing is left to be done.
func (f *fleet) run() outcome {
	f.t.Helper()
	for step := range 100 {
		if f.meddle != nil {
			f.meddle(step)
		}
		f.in.Pods = nil
		for _, pod := range f.pods {
			f.in.Pods = append(f.in.Pods, pod)
			gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
			if gate != nil && gate.Status == corev1.ConditionFalse {
				f.in.Sightings[pod.UID] = f.in.Sightings[pod.UID].SeeDrained(inplace.IsDrained(pod, false), true, f.in.Now)
			}
		}
		planned := Compute(f.in)
		f.in.Set.Status = planned.Status
		planned.Actions = slices.DeleteFunc(planned.Actions, func(a Action) bool { return a.Claim != nil }) // There are always enough.
		if len(planned.Actions) == 0 && planned.Wake == 0 {
			f.Reason = meta.FindStatusCondition(planned.Status.Conditions, appsv1beta1.ConditionProgressing).Reason
			return f.outcome
		}
		for i := range planned.Actions {
			f.perform(&planned.Actions[i])
		}
		if f.after != nil {
			f.after()
		}
		f.kubelets()
		f.in.Now = f.in.Now.Add(10 * time.Second)
	}
	f.t.Fatal("nothing comes of it")
	return outcome{}
}

func (f *fleet) perform(a *Action) {
	switch a.Verb {
	case VerbCreate:
		f.Created++
		pod := testpods.New(a.Pod.Name, testpods.Serving(), testpods.Container("web", a.Pod.Spec.Containers[0].Image))
		pod.Labels = a.Pod.Labels
		pod.UID = types.UID(fmt.Sprintf("uid-%d", f.Created))
		pod.CreationTimestamp = metav1.NewTime(f.in.Now)
		f.pods[pod.Name] = pod
	case VerbDelete:
		f.Deleted++
		delete(f.pods, a.Pod.Name)
	default:
		if a.Kind == UpdateInPlace {
			f.InPlace++
			f.updates = append(f.updates, a.Name())
		}
		f.pods[a.Pod.Name] = apply(f.t, f.pods[a.Pod.Name], a.Patch)
	}
}

func (f *fleet) kubelets() {
	down := 0
	for name, pod := range f.pods {
		pod = pod.DeepCopy()
		testpods.Observe(pod)
		image := pod.Spec.Containers[0].Image
		testpods.Run(pod, "web", int(pod.Generation), image)
		gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady).Status
		if inplace.Condition(pod, corev1.PodReady).Status != gate {
			testpods.Condition(corev1.PodReady, gate, f.in.Now)(pod)
		}
		if gate == corev1.ConditionFalse {
			down++
		}
		f.pods[name] = pod
	}
	f.Down, f.Pods = max(f.Down, down), max(f.Pods, len(f.pods))
}

// TestRolloutsOfThePeer has the rollouts that are documented of OpenKruise's CloneSet, of healthy pods whose image changes.
// The name of a case tells the outcome there, and where it is another one here, why.
func TestRolloutsOfThePeer(t *testing.T) {
	limits := func(unavailable, surge string) edit {
		return func(set *appsv1beta1.CloneSet) {
			surgeOf(unavailable, surge)(set)
			set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = new(int32)
		}
	}
	partition := func(value string) edit {
		return func(set *appsv1beta1.CloneSet) {
			set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.Parse(value))
		}
	}
	onDelete := func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy = appsv1beta1.CloneSetUpdateStrategy{Type: appsv1beta1.OnDeleteStrategyType}
	}
	tests := map[string]struct {
		set  *appsv1beta1.CloneSet
		pods []*corev1.Pod
		want outcome
	}{
		"10 pods, 20% unavailable: 2 at a time, in place": {
			cloneSet(10, limits("20%", "0")), numbered(10, old),
			outcome{Down: 2, Pods: 10, InPlace: 10, Reason: "Complete"},
		},
		"3 pods, 20% unavailable: rounded up, 1 at a time": {
			cloneSet(3, limits("20%", "0")), numbered(3, old),
			outcome{Down: 1, Pods: 3, InPlace: 3, Reason: "Complete"},
		},
		"3 pods, 20% unavailable, surge 1: rounded down to 0; one new pod comes first, and an old one goes in the end": {
			cloneSet(3, limits("20%", "1")), numbered(3, old),
			outcome{Down: 1, Pods: 4, InPlace: 2, Created: 1, Deleted: 1, Reason: "Complete"},
		},
		"10 pods, 0 unavailable, surge 3: waves of 3 that shrink; here one pod follows another without waves, at 3 a time": {
			cloneSet(10, limits("0", "3")), numbered(10, old),
			outcome{Down: 3, Pods: 13, InPlace: 7, Created: 3, Deleted: 3, Reason: "Complete"},
		},
		"2 pods, 0 unavailable, surge 1: refused there by mistake; here it works, since it is what loses no capacity": {
			cloneSet(2, limits("0", "1")), numbered(2, old),
			outcome{Down: 1, Pods: 3, InPlace: 1, Created: 1, Deleted: 1, Reason: "Complete"},
		},
		"10 pods, partition 30%, 2 unavailable: 7 are updated": {
			cloneSet(10, limits("2", "0"), partition("30%")), numbered(10, old),
			outcome{Down: 2, Pods: 10, InPlace: 7, Reason: "PartitionReached"},
		},
		"4 pods, OnDelete without rollingUpdate: a specified pod is never deleted there, as 20% come to 0; here they come to 1": {
			cloneSet(4, onDelete), with(numbered(3, old), old("x", specified)),
			outcome{Pods: 4, Created: 1, Deleted: 1, Reason: "OnDelete"},
		},
		"3 pods, labels alone, surge 1: surges and drains there; here neither, since nothing restarts": {
			cloneSet(3, limits("0", "1"), metadataOnly), numbered(3, old),
			outcome{Pods: 3, InPlace: 3, Reason: "Complete"},
		},
		"3 pods, paused, surge 1: nothing surges": {
			cloneSet(3, limits("0", "1"), paused), numbered(3, old), outcome{Reason: "Paused"},
		},
		"14 pods scaled in to 10 while paused, surge 25%: 10 are left": {
			cloneSet(10, limits("20%", "25%"), paused), numbered(14, old), outcome{Deleted: 4, Pods: 10, Reason: "Paused"},
		},
		"3 pods, OnDelete, 0 unavailable, surge 1, which comes to nothing: a specified pod is deleted": {
			cloneSet(3, limits("0", "1"), onlyOnDelete), with(numbered(2, old), old("x", specified)),
			outcome{Pods: 3, Created: 1, Deleted: 1, Reason: "OnDelete"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, newFleet(t, tt.set, tt.pods...).run()); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRoundingOfThePeer has the documented numbers. What cannot be evaluated the same everywhere is refused here.
func TestRoundingOfThePeer(t *testing.T) {
	tests := map[string]struct {
		replicas                      int
		partition, unavailable, surge string
		keep, down                    int
		refused                       bool
	}{
		"a partition is rounded up":                                        {10, "25%", "1", "0", 3, 1, false},
		"a small one too":                                                  {10, "1%", "1", "0", 1, 1, false},
		"but below 100% one pod is updated":                                {10, "99%", "1", "0", 9, 1, false},
		"whatever the number":                                              {4, "99%", "1", "0", 3, 1, false},
		"100% keeps all":                                                   {10, "100%", "1", "0", 10, 1, false},
		"a number is cut to replicas":                                      {10, "15", "1", "0", 10, 1, false},
		"any percentage keeps the only pod":                                {1, "1%", "1", "0", 1, 1, false},
		"unavailable pods are rounded up":                                  {3, "0", "20%", "0", 0, 1, false},
		"but down with surge":                                              {3, "0", "20%", "1", 0, 0, false},
		"33.3% is taken there, and comes to 0: refused here":               {10, "0", "33.3%", "0", 0, 0, true},
		"100.0% is not 100% there: refused here":                           {10, "100.0%", "1", "0", 0, 0, true},
		"neither unavailable nor surge: nothing could happen, refused too": {10, "0", "0", "0", 0, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(tt.replicas, surgeOf(tt.unavailable, tt.surge))
			set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.Parse(tt.partition))
			if errs := Validate(set); (len(errs) > 0) != tt.refused {
				t.Fatalf("got %v, want refused: %t", errs, tt.refused)
			}
			if l := limitsOf(set); !tt.refused && (l.partition != tt.keep || l.maxUnavailable != tt.down) {
				t.Errorf("keeps %d, want %d; %d unavailable, want %d", l.partition, tt.keep, l.maxUnavailable, tt.down)
			}
		})
	}
}
