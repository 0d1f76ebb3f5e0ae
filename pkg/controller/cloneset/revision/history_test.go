package revision_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// world is an API server with revisions, and a keeper of them.
type world struct {
	t      *testing.T
	client client.Client
	keeper *revision.Keeper
	writes []string
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := appsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.writes = append(w.writes, "create")
			o.SetUID(types.UID("uid-" + o.GetName()))
			return c.Create(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			w.writes = append(w.writes, "patch")
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	w.keeper = &revision.Keeper{Client: w.client, Live: w.client}
	return w
}

// history returns the revisions as a fresh cache would.
func (w *world) history() []*appsv1.ControllerRevision {
	w.t.Helper()
	list := &appsv1.ControllerRevisionList{}
	if err := w.client.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	var history []*appsv1.ControllerRevision
	for i := range list.Items {
		history = append(history, &list.Items[i])
	}
	return history
}

func (w *world) resolve(set *appsv1beta1.CloneSet, history []*appsv1.ControllerRevision) (plan.Revisions, string) {
	w.t.Helper()
	revisions, wrote, err := w.keeper.Resolve(w.t.Context(), set, history)
	if err != nil {
		w.t.Fatal(err)
	}
	return revisions, wrote
}

// wrote fails the test unless these calls were made since the last time.
func (w *world) wrote(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.writes); diff != "" {
		w.t.Errorf("writes (-want +got):\n%s", diff)
	}
	w.writes = nil
}

func imageOf(set *appsv1beta1.CloneSet, image string) *appsv1beta1.CloneSet {
	set = set.DeepCopy()
	set.Spec.Template.Spec.Containers[0].Image = image
	return set
}

func TestFirstRevision(t *testing.T) {
	w := newWorld(t)
	set := cloneSet()
	revisions, wrote := w.resolve(set, nil)
	w.wrote("create")
	history := w.history()
	if len(history) != 1 || history[0].Revision != 1 || wrote != history[0].ResourceVersion {
		t.Fatalf("got %d revisions and resourceVersion %q", len(history), wrote)
	}
	want := plan.Revision{Name: history[0].Name, Template: &set.Spec.Template}
	if diff := cmp.Diff([]plan.Revision{want, want}, []plan.Revision{revisions.Update, revisions.Current}); diff != "" {
		t.Errorf("update and current (-want +got):\n%s", diff)
	}
}

func TestRevisionThatIsThereIsNotWritten(t *testing.T) {
	w := newWorld(t)
	w.resolve(cloneSet(), nil)
	w.wrote("create")
	for range 2 {
		if _, wrote := w.resolve(cloneSet(), w.history()); wrote != "" {
			t.Errorf("got resourceVersion %s of a write", wrote)
		}
		w.wrote()
	}
}

func TestNewTemplateKeepsTheStableRevision(t *testing.T) {
	w := newWorld(t)
	first, _ := w.resolve(cloneSet(), nil)
	set := imageOf(cloneSet(), "app:b")
	set.Status.CurrentRevision = first.Update.Name
	revisions, _ := w.resolve(set, w.history())
	if revisions.Update.Name == first.Update.Name || revisions.Current.Name != first.Update.Name {
		t.Errorf("got update %s and current %s after %s", revisions.Update.Name, revisions.Current.Name, first.Update.Name)
	}
	if got := revisions.Current.Template.Spec.Containers[0].Image; got != "app:a" {
		t.Errorf("got image %s of the stable revision", got)
	}
	if len(revisions.Templates) != 2 {
		t.Errorf("got the templates of %d revisions", len(revisions.Templates))
	}
}

// The history tells in which order templates were set: the one that was set again is the newest.
func TestReturnToAnOldTemplateRenumbersItsRevision(t *testing.T) {
	w := newWorld(t)
	first, _ := w.resolve(cloneSet(), nil)
	w.resolve(imageOf(cloneSet(), "app:b"), w.history())
	w.wrote("create", "create")
	revisions, wrote := w.resolve(cloneSet(), w.history())
	w.wrote("patch")
	if revisions.Update.Name != first.Update.Name {
		t.Errorf("got revision %s, want %s again", revisions.Update.Name, first.Update.Name)
	}
	found := &appsv1.ControllerRevision{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: first.Update.Name}, found); err != nil {
		t.Fatal(err)
	}
	if found.Revision != 3 || found.ResourceVersion != wrote {
		t.Errorf("got number %d at resourceVersion %s, want 3 at %s", found.Revision, found.ResourceVersion, wrote)
	}
	w.resolve(cloneSet(), w.history())
	w.wrote()
}

// The answer of an earlier call was lost, or the cache does not hold the revision yet.
func TestOwnRevisionThatExistsAlreadyIsTaken(t *testing.T) {
	w := newWorld(t)
	first, wrote := w.resolve(cloneSet(), nil)
	again, wroteAgain := w.resolve(cloneSet(), nil)
	if again.Update.Name != first.Update.Name || wroteAgain != wrote || again.CollisionCount != nil {
		t.Errorf("got %s at %s with collisions %v, want %s at %s", again.Update.Name, wroteAgain, again.CollisionCount,
			first.Update.Name, wrote)
	}
}

func TestNameThatIsTakenIsACollision(t *testing.T) {
	set := cloneSet()
	for name, edit := range map[string]func(*appsv1.ControllerRevision){
		"by another owner":       func(r *appsv1.ControllerRevision) { r.OwnerReferences[0].UID = "uid-other" },
		"by another template":    func(r *appsv1.ControllerRevision) { r.Data.Raw = []byte(`{"spec":{"template":{}}}`) },
		"by what is no template": func(r *appsv1.ControllerRevision) { r.Data.Raw = []byte(`{"spec":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			taken, err := revision.New(set, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			edit(taken)
			w := newWorld(t, taken)
			revisions, _ := w.resolve(set, nil)
			want, err := revision.New(set, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			if revisions.Update.Name != want.Name || ptr.Deref(revisions.CollisionCount, 0) != 1 {
				t.Errorf("got %s with collisions %v, want %s with 1", revisions.Update.Name, revisions.CollisionCount, want.Name)
			}
			if set.Status.CollisionCount != nil {
				t.Error("the status that was read is changed")
			}
		})
	}
}

func TestStableRevisionThatIsGoneIsReplaced(t *testing.T) {
	w := newWorld(t)
	set := cloneSet()
	set.Status.CurrentRevision = "web-gone"
	revisions, _ := w.resolve(set, nil)
	if revisions.Current.Name != revisions.Update.Name {
		t.Errorf("got current %s, want %s", revisions.Current.Name, revisions.Update.Name)
	}
}

func TestRevisionThatCannotBeDecodedHasNoTemplate(t *testing.T) {
	broken, err := revision.New(cloneSet(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	broken.Name, broken.UID, broken.Data.Raw = "web-broken", "uid-broken", []byte(`{"spec":7}`)
	w := newWorld(t, broken)
	revisions, _ := w.resolve(cloneSet(), w.history())
	if _, ok := revisions.Templates["web-broken"]; ok || len(revisions.Templates) != 1 {
		t.Errorf("got templates %v", revisions.Templates)
	}
}

func TestFailureToWriteIsReturned(t *testing.T) {
	w := newWorld(t)
	refused := errors.New("quota")
	w.keeper.Client = interceptor.NewClient(w.client.(client.WithWatch), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refused },
	})
	if _, _, err := w.keeper.Resolve(t.Context(), cloneSet(), nil); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// because says why a template was set.
func because(set *appsv1beta1.CloneSet, cause string) *appsv1beta1.CloneSet {
	set = set.DeepCopy()
	set.Annotations = map[string]string{appsv1beta1.ChangeCauseAnnotation: cause, "other": "annotation"}
	return set
}

func TestRevisionTellsWhyItsTemplateWasSet(t *testing.T) {
	w := newWorld(t)
	first := because(cloneSet(), "the first")
	w.resolve(first, nil)
	w.wrote("create")
	w.resolve(first, w.history())
	w.wrote()
	second := because(imageOf(cloneSet(), "app:b"), "a newer image")
	w.resolve(second, w.history())
	w.wrote("create")
	w.resolve(because(second, "what was said later"), w.history())
	w.wrote("patch")
	w.resolve(because(first, "back again"), w.history())
	w.wrote("patch")
	w.resolve(cloneSet(), w.history()) // Nothing is said: what was stays.
	w.wrote()
	got := map[int64]map[string]string{}
	for _, stored := range w.history() {
		got[stored.Revision] = stored.Annotations
	}
	want := map[int64]map[string]string{
		2: {appsv1beta1.ChangeCauseAnnotation: "what was said later"}, 3: {appsv1beta1.ChangeCauseAnnotation: "back again"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("annotations by number (-want +got):\n%s", diff)
	}
}
