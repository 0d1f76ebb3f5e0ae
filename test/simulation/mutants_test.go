package simulation

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// attempts is how many scenarios a broken planner gets before it counts as not caught.
const attempts = 1000

// mutant is a planner that is broken in one way, and the invariant that catches it.
type mutant struct {
	compute planner
	caught  string
}

// TestMutants shows that the net holds: the invariants catch each of these planners.
func TestMutants(t *testing.T) {
	all := map[string]mutant{
		"one more unavailable than allowed":  {oneMoreUnavailable, "I1"},
		"the partition is ignored":           {withoutPartition, "I3"},
		"a pod too many is created":          {onePodTooMany, "I2"},
		"the drain is not waited for":        {withoutDrain, "I4"},
		"the update is believed at once":     {believing, "I8"},
		"every container is patched":         {patchingAll, "I5"},
		"a pod is never brought back":        {neverBack, "I6"},
		"time is never waited for":           {withoutWake, "I6"},
		"what failed is not corrected":       {neverAgain(plan.UpdateInPlace), "I6"},
		"updated pods are counted too early": {countingEarly, "I8"},
	}
	maps.Copy(all, newerMutants())
	maps.Copy(all, budgetMutants())
	maps.Copy(all, rehearsalMutants())
	maps.Copy(all, digestMutants())
	maps.Copy(all, ledgerMutants())
	maps.Copy(all, failureMutants())
	maps.Copy(all, resourceMutants())
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			generator := rapid.Custom(func(t *rapid.T) string { return rollout(t, m.compute).broken })
			for seed := range attempts {
				if broken := generator.Example(seed); strings.HasPrefix(broken, m.caught+":") {
					t.Logf("caught in scenario %d: %s", seed+1, broken)
					return
				}
			}
			t.Errorf("not caught by %s in %d scenarios", m.caught, attempts)
		})
	}
}

// with lets a planner see another spec than the one that is checked.
func with(in plan.Input, change func(*appsv1beta1.RollingUpdate)) plan.Input {
	in.Set = in.Set.DeepCopy()
	change(&in.Set.Spec.UpdateStrategy.RollingUpdate)
	return in
}

func oneMoreUnavailable(in plan.Input) plan.Plan {
	return plan.Compute(with(in, func(r *appsv1beta1.RollingUpdate) {
		r.MaxUnavailable = new(intstr.FromInt(maxUnavailableOf(in.Set) + 1))
	}))
}

func withoutPartition(in plan.Input) plan.Plan {
	return plan.Compute(with(in, func(r *appsv1beta1.RollingUpdate) { r.Partition = nil }))
}

func onePodTooMany(in plan.Input) plan.Plan {
	in.Set = in.Set.DeepCopy()
	*in.Set.Spec.Replicas++
	return plan.Compute(in)
}

// withoutDrain has every pod whose gate is off look drained.
func withoutDrain(in plan.Input) plan.Plan {
	sightings := map[types.UID]*inplace.Sighting{}
	for uid, seen := range in.Sightings {
		sightings[uid] = seen.SeeDrained(true, true, in.Now.Add(-time.Hour))
	}
	in.Sightings = sightings
	return plan.Compute(in)
}

// believing has every pod that was patched look confirmed.
func believing(in plan.Input) plan.Plan {
	in.Pods = slices.Clone(in.Pods)
	for i, pod := range in.Pods {
		if inplace.ReadState(pod) != nil {
			in.Pods[i] = pod.DeepCopy()
			delete(in.Pods[i].Annotations, appsv1beta1.InPlaceStateAnnotation)
		}
	}
	return plan.Compute(in)
}

// patchingAll sets the image of the container that has to be left alone, too.
func patchingAll(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	for i := range p.Actions {
		if p.Actions[i].Kind != plan.UpdateInPlace || !strings.Contains(string(p.Actions[i].Patch), `"spec"`) {
			continue
		}
		patch := map[string]any{}
		if err := json.Unmarshal(p.Actions[i].Patch, &patch); err != nil {
			continue
		}
		spec, _ := patch["spec"].(map[string]any)
		containers, _ := spec["containers"].([]any)
		spec["containers"] = append(containers, map[string]any{"name": steady, "image": "log:2"})
		p.Actions[i].Patch, _ = json.Marshal(patch)
	}
	return p
}

func neverBack(in plan.Input) plan.Plan { return neverAgain(plan.Confirm)(in) }

// neverAgain leaves one kind of action out.
func neverAgain(kind plan.Kind) planner {
	return func(in plan.Input) plan.Plan {
		p := plan.Compute(in)
		p.Actions = slices.DeleteFunc(p.Actions, func(a plan.Action) bool { return a.Kind == kind })
		return p
	}
}

func withoutWake(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	p.Wake = 0
	return p
}

// countingEarly counts a pod as updated when it is patched.
func countingEarly(in plan.Input) plan.Plan {
	p := plan.Compute(in)
	p.Status.UpdatedReplicas = 0
	for _, pod := range in.Pods {
		if pod.Labels[appsv1beta1.RevisionLabel] == in.Revisions.Update.Name && pod.Status.Phase == corev1.PodRunning {
			p.Status.UpdatedReplicas++
		}
	}
	return p
}
