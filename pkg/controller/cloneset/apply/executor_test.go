package apply_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// server is an API server that takes note of calls and may refuse some.
type server struct {
	client.Client
	mu     sync.Mutex
	calls  []string
	refuse map[string]error
}

// called takes note of a call and returns why it is refused.
func (s *server) called(verb, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	call := verb + " " + name
	s.calls = append(s.calls, call)
	return s.refuse[call]
}

func newServer(t *testing.T, objects ...client.Object) (*apply.Executor, *server) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, appsv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{refuse: map[string]error{}}
	s.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&corev1.Pod{}, &policyv1.PodDisruptionBudget{}, &appsv1beta1.CloneSet{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				if err := s.called("create", o.GetName()); err != nil {
					return err
				}
				return c.Create(ctx, o, opts...)
			},
			Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
				if err := s.called("delete", o.GetName()); err != nil {
					return err
				}
				return deleteIfSame(ctx, c, o, opts)
			},
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
				if err := s.called("patch", o.GetName()); err != nil {
					return err
				}
				return c.Patch(ctx, o, p, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				if err := s.called("patch "+sub, o.GetName()); err != nil {
					return err
				}
				return c.SubResource(sub).Patch(ctx, o, p, opts...)
			},
		}).Build()
	return &apply.Executor{Client: s}, s
}

// deleteIfSame deletes an object if it has the UID, and the resourceVersion, that the call is conditioned on, as an API server
// does.
func deleteIfSame(ctx context.Context, c client.Client, o client.Object, opts []client.DeleteOption) error {
	options := (&client.DeleteOptions{}).ApplyOptions(opts)
	if options.Preconditions == nil || options.Preconditions.UID == nil {
		return errors.New("the deletion is not conditioned on a UID")
	}
	found, _ := o.DeepCopyObject().(client.Object)
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), found); err != nil {
		return err
	}
	if found.GetUID() != *options.Preconditions.UID {
		return apierrors.NewConflict(corev1.Resource("pods"), o.GetName(), errors.New("another UID"))
	}
	if rv := options.Preconditions.ResourceVersion; rv != nil && *rv != found.GetResourceVersion() {
		return apierrors.NewConflict(corev1.Resource("pods"), o.GetName(), errors.New("another resourceVersion"))
	}
	return c.Delete(ctx, found)
}

func creations(n int) []plan.Action {
	var actions []plan.Action
	for i := range n {
		pod := testpods.New(fmt.Sprintf("new-%02d", i))
		pod.ResourceVersion = ""
		actions = append(actions, plan.Action{Kind: plan.CreatePod, Verb: plan.VerbCreate, Pod: pod})
	}
	return actions
}

func failures(results []apply.Result) int {
	n := 0
	for _, result := range results {
		if result.Err != nil {
			n++
		}
	}
	return n
}

func TestCreations(t *testing.T) {
	e, s := newServer(t)
	actions := creations(40)
	results := e.Do(t.Context(), actions)
	if len(results) != 40 || failures(results) != 0 || len(s.calls) != 40 {
		t.Fatalf("got %d results, %d of them failures, %d calls", len(results), failures(results), len(s.calls))
	}
	for i, result := range results {
		if result.ResourceVersion == "" || result.Name() != actions[i].Name() {
			t.Errorf("got %s at resourceVersion %q, want %s", result.Name(), result.ResourceVersion, actions[i].Name())
		}
		if actions[i].Pod.ResourceVersion != "" {
			t.Fatal("the pod of the plan was changed")
		}
	}
}

// A quota that is used up costs one call, or as many as the batch that meets it has; not one for each pod.
func TestCreationsStartSlowlyAndEndAtTheFirstFailure(t *testing.T) {
	tests := map[string]struct {
		refused string
		calls   int
	}{
		"the first":        {"create new-00", 1},
		"one of the next":  {"create new-02", 1 + 2},
		"one of the third": {"create new-03", 1 + 2 + 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, s := newServer(t)
			s.refuse[tt.refused] = errors.New("quota")
			results := e.Do(t.Context(), creations(40))
			if len(s.calls) != tt.calls || len(results) != tt.calls || failures(results) != 1 {
				t.Errorf("got %d calls and %d results, %d of them failures; want %d, %d and 1",
					len(s.calls), len(results), failures(results), tt.calls, tt.calls)
			}
		})
	}
}

func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	var pods []client.Object
	var actions []plan.Action
	for i := range 40 {
		pod := testpods.New(fmt.Sprintf("web-%02d", i))
		pods = append(pods, pod)
		actions = append(actions, plan.Action{
			Kind: plan.Serve, Verb: plan.VerbPatchStatus, Pod: pod, Patch: inplace.ServePatch(pod, testpods.Start()),
		})
	}
	e, s := newServer(t, pods...)
	s.refuse["patch status web-00"] = errors.New("no")
	results := e.Do(t.Context(), append(actions, creations(1)...))
	if len(results) != 41 || failures(results) != 1 || results[0].Err == nil {
		t.Fatalf("got %d results, %d of them failures", len(results), failures(results))
	}
	served := &corev1.Pod{}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(pods[39]), served); err != nil {
		t.Fatal(err)
	}
	if gate := inplace.Condition(served, appsv1beta1.InPlaceUpdateReady); gate == nil || gate.Status != corev1.ConditionTrue {
		t.Errorf("got gate %+v", gate)
	}
	if results[39].ResourceVersion != served.ResourceVersion {
		t.Errorf("got resourceVersion %s, want %s", results[39].ResourceVersion, served.ResourceVersion)
	}
}

func TestPatch(t *testing.T) {
	pod := testpods.New("web-a", testpods.Container("web", "app:a"))
	e, s := newServer(t, pod)
	results := e.Do(t.Context(), []plan.Action{{
		Kind: plan.UpdateInPlace, Verb: plan.VerbPatch, Pod: pod,
		Patch: []byte(`{"metadata":{"uid":"uid-web-a"},"spec":{"containers":[{"name":"web","image":"app:b"}]}}`),
	}})
	if failures(results) != 0 {
		t.Fatal(results[0].Err)
	}
	patched := &corev1.Pod{}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(pod), patched); err != nil {
		t.Fatal(err)
	}
	if patched.Spec.Containers[0].Image != "app:b" || results[0].ResourceVersion != patched.ResourceVersion {
		t.Errorf("got image %s at %s", patched.Spec.Containers[0].Image, results[0].ResourceVersion)
	}
	if pod.Spec.Containers[0].Image != "app:a" || pod.ResourceVersion != "100" {
		t.Error("the pod of the plan was changed")
	}
}

func TestDeletionsAreConditionedOnTheUID(t *testing.T) {
	pod := testpods.New("web-a")
	revision := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "default", UID: "uid-1"}}
	successor := pod.DeepCopy()
	successor.UID = "uid-of-its-successor"
	e, s := newServer(t, successor, revision)
	remove := func() []apply.Result {
		return e.Do(t.Context(), []plan.Action{
			{Kind: plan.Recreate, Verb: plan.VerbDelete, Pod: pod},
			{Kind: plan.DeleteRevision, Verb: plan.VerbDelete, Revision: revision},
		})
	}
	results := remove()
	if !apierrors.IsConflict(results[0].Err) || results[1].Err != nil {
		t.Errorf("got %v and %v", results[0].Err, results[1].Err)
	}
	pod.UID = types.UID("uid-of-its-successor")
	if err := remove()[0].Err; err != nil {
		t.Error(err)
	}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(pod), &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pod is still there: %v", err)
	}
}

func TestUnknownVerbIsAnError(t *testing.T) {
	e, s := newServer(t)
	results := e.Do(t.Context(), []plan.Action{{Kind: plan.Serve, Verb: "pat", Pod: testpods.New("a")}})
	if failures(results) != 1 || len(s.calls) != 0 {
		t.Errorf("got %d failures and calls %v", failures(results), s.calls)
	}
}

func TestNothingToDo(t *testing.T) {
	e, s := newServer(t)
	if results := e.Do(t.Context(), nil); len(results) != 0 || len(s.calls) != 0 {
		t.Errorf("got %v and calls %v", results, s.calls)
	}
}

func TestRevisions(t *testing.T) {
	named := func(name string) *appsv1.ControllerRevision {
		return &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault}}
	}
	e, s := newServer(t, named("web-1"))
	results := e.Do(t.Context(), []plan.Action{
		{
			Kind: plan.AdoptRevision, Verb: plan.VerbPatch, Revision: named("web-1"),
			Patch: []byte(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"CloneSet","name":"web","uid":"uid-web"}]}}`),
		},
		{Kind: plan.RestoreRevision, Verb: plan.VerbCreate, Revision: named("web-2")},
	})
	if failures(results) != 0 {
		t.Fatalf("got %+v", results)
	}
	for i, owners := range map[int]int{0: 1, 1: 0} {
		found := &appsv1.ControllerRevision{}
		if err := s.Get(t.Context(), client.ObjectKeyFromObject(results[i].Revision), found); err != nil {
			t.Fatal(err)
		}
		if len(found.OwnerReferences) != owners || results[i].ResourceVersion != found.ResourceVersion {
			t.Errorf("got %+v at %s", found, results[i].ResourceVersion)
		}
	}
}
