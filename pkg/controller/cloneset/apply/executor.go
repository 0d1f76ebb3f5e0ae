// Package apply writes: it performs the actions of a plan, each one API call, and decides nothing.
package apply

import (
	"context"
	"fmt"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// Parallel is how many calls the controller makes at a time for one CloneSet. The API server's own priority and fairness
// does the rest.
const Parallel = 32

// Result is what came of one action.
type Result struct {
	plan.Action
	// ResourceVersion is that of the object after the call, where the answer tells it.
	ResourceVersion string
	// Err is why the action failed, or nil.
	Err error
}

// Executor performs actions.
type Executor struct {
	// Client writes. It must not be a caching one for writes, which no client is.
	Client client.Client
	// Parallel is how many calls are made at a time, at least one. With one, they are made in the order of the actions.
	Parallel int
}

// Do performs actions and returns what came of each. One that fails does not stop the others, but for creations: those of
// pods, of rehearsals and of claims each start slowly and end at the first failure, so that a quota that is used up costs a
// call, not a thousand. Those that were not tried are left out.
func (e *Executor) Do(ctx context.Context, actions []plan.Action) []Result {
	var pods, rehearsals, claims, others []plan.Action
	for _, a := range actions {
		switch a.Kind {
		case plan.CreatePod:
			pods = append(pods, a)
		case plan.Rehearse:
			rehearsals = append(rehearsals, a)
		case plan.CreateClaim:
			claims = append(claims, a)
		default:
			others = append(others, a)
		}
	}
	return slices.Concat(
		e.doAll(ctx, others), e.doSlowly(ctx, claims), e.doSlowly(ctx, pods), e.doSlowly(ctx, rehearsals))
}

// doSlowly performs actions in batches that double, until one fails.
func (e *Executor) doSlowly(ctx context.Context, actions []plan.Action) []Result {
	results := make([]Result, 0, len(actions))
	for size := 1; len(actions) > 0; size *= 2 {
		batch := e.doAll(ctx, actions[:min(size, len(actions))])
		results = append(results, batch...)
		if failed(batch) {
			break
		}
		actions = actions[len(batch):]
	}
	return results
}

func failed(results []Result) bool {
	for i := range results {
		if results[i].Err != nil {
			return true
		}
	}
	return false
}

// doAll performs actions, a bounded number at a time.
func (e *Executor) doAll(ctx context.Context, actions []plan.Action) []Result {
	results := make([]Result, len(actions))
	slots := make(chan struct{}, max(e.Parallel, 1))
	var wait sync.WaitGroup
	for i := range actions {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i] = e.do(ctx, actions[i])
		})
	}
	wait.Wait()
	return results
}

func (e *Executor) do(ctx context.Context, a plan.Action) Result {
	result := Result{Action: a}
	switch a.Verb {
	case plan.VerbCreate:
		result.ResourceVersion, result.Err = e.create(ctx, &a)
	case plan.VerbDelete:
		result.Err = e.delete(ctx, &a)
	case plan.VerbPatch, plan.VerbPatchStatus, plan.VerbPatchResize:
		result.ResourceVersion, result.Err = e.patch(ctx, &a)
	default:
		result.Err = fmt.Errorf("unknown verb %q", a.Verb)
	}
	return result
}

func (e *Executor) create(ctx context.Context, a *plan.Action) (string, error) {
	var object client.Object
	switch {
	case a.Claim != nil:
		object = a.Claim.DeepCopy()
	case a.Revision != nil:
		object = a.Revision.DeepCopy()
	default:
		object = a.Pod.DeepCopy()
	}
	err := e.Client.Create(ctx, object)
	return object.GetResourceVersion(), err
}

func (e *Executor) delete(ctx context.Context, a *plan.Action) error {
	var object client.Object = a.Pod
	switch {
	case a.Claim != nil:
		object = a.Claim
	case a.Revision != nil:
		object = &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{
			Namespace: a.Revision.Namespace, Name: a.Revision.Name, UID: a.Revision.UID,
		}}
	}
	uid := object.GetUID()
	preconditions := client.Preconditions{UID: &uid}
	if a.Unchanged {
		preconditions.ResourceVersion = new(object.GetResourceVersion())
	}
	return e.Client.Delete(ctx, object, preconditions)
}

// patch sends a patch and has only the metadata of the object sent back: nothing else of the answer is of use.
func (e *Executor) patch(ctx context.Context, a *plan.Action) (string, error) {
	answer := &metav1.PartialObjectMetadata{}
	switch {
	case a.Claim != nil:
		answer.Namespace, answer.Name = a.Claim.Namespace, a.Claim.Name
		answer.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"))
	case a.Revision != nil:
		answer.Namespace, answer.Name = a.Revision.Namespace, a.Revision.Name
		answer.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("ControllerRevision"))
	case a.Budget != nil:
		answer.Namespace, answer.Name = a.Budget.Namespace, a.Budget.Name
		answer.SetGroupVersionKind(policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"))
	default:
		answer.Namespace, answer.Name = a.Pod.Namespace, a.Pod.Name
		answer.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	}
	patch := client.RawPatch(types.StrategicMergePatchType, a.Patch)
	var err error
	switch a.Verb {
	case plan.VerbPatchStatus:
		err = e.Client.Status().Patch(ctx, answer, patch)
	case plan.VerbPatchResize:
		err = e.Client.SubResource("resize").Patch(ctx, answer, patch)
	default:
		err = e.Client.Patch(ctx, answer, patch)
	}
	return answer.ResourceVersion, err
}
