package revision

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// Keeper finds the revisions of CloneSets, and makes the ones that are missing.
type Keeper struct {
	// Client writes revisions.
	Client client.Client
	// Live reads past the cache.
	Live client.Reader

	mu sync.Mutex
	// decoded are the templates of revisions, whose data cannot change.
	decoded map[types.UID]*corev1.PodTemplateSpec
	// kept are the revisions that CloneSets were seen to have, by their names.
	kept map[types.UID]map[string]*appsv1.ControllerRevision
}

// Resolve returns the revisions of a CloneSet, given those that it owns or is to adopt. It makes the revision of the
// template, or renumbers it where an older one is equal, and tells it why the template was set. wrote is the
// resourceVersion of what it wrote, if it did.
func (k *Keeper) Resolve(
	ctx context.Context, set *appsv1beta1.CloneSet, history []*appsv1.ControllerRevision,
) (revisions plan.Revisions, wrote string, err error) {
	slices.SortFunc(history, func(a, b *appsv1.ControllerRevision) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Name, b.Name))
	})
	lost := k.lost(set, history)
	revisions = plan.Revisions{
		History: history, Lost: lost, CollisionCount: set.Status.CollisionCount, Templates: k.templates(history, lost),
	}
	update, again := find(history, &revisions, &set.Spec.Template), find(lost, &revisions, &set.Spec.Template)
	switch {
	case update == nil && again != nil:
		return settle(set, revisions, again.Name), "", nil // The plan makes it again.
	case update == nil:
		update, err = k.create(ctx, set, &revisions)
	case isBehind(update, set, history):
		update, err = k.bringUp(ctx, update, set, history)
	default:
		return settle(set, revisions, update.Name), "", nil
	}
	if err != nil {
		return revisions, "", err
	}
	revisions.Templates[update.Name] = &set.Spec.Template
	return settle(set, revisions, update.Name), update.ResourceVersion, nil
}

// settle names the update and the current revision. The update revision takes the place of a stable one that was deleted
// while nobody looked.
func settle(set *appsv1beta1.CloneSet, revisions plan.Revisions, update string) plan.Revisions {
	revisions.Update = plan.Revision{Name: update, Template: revisions.Templates[update]}
	revisions.Current = revisions.Update
	if template := revisions.Templates[set.Status.CurrentRevision]; template != nil {
		revisions.Current = plan.Revision{Name: set.Status.CurrentRevision, Template: template}
	}
	return revisions
}

// find returns the last one of some revisions that is equal to a template, or nil.
func find(
	among []*appsv1.ControllerRevision, revisions *plan.Revisions, template *corev1.PodTemplateSpec,
) *appsv1.ControllerRevision {
	for _, revision := range slices.Backward(among) {
		if old := revisions.Templates[revision.Name]; old != nil && Equal(old, template) {
			return revision
		}
	}
	return nil
}

// templates decodes revisions. One that cannot be decoded has no template; pods at it are recreated.
func (k *Keeper) templates(history, lost []*appsv1.ControllerRevision) map[string]*corev1.PodTemplateSpec {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.decoded == nil {
		k.decoded = map[types.UID]*corev1.PodTemplateSpec{}
	}
	templates := make(map[string]*corev1.PodTemplateSpec, len(history))
	for _, revision := range lost {
		if template, err := Decode(revision); err == nil {
			templates[revision.Name] = template
		}
	}
	for _, revision := range history {
		template, ok := k.decoded[revision.UID]
		if !ok {
			template, _ = Decode(revision)
			k.decoded[revision.UID] = template
		}
		if template != nil {
			templates[revision.Name] = template
		}
	}
	return templates
}

// Forget drops what is remembered of a revision that was deleted.
func (k *Keeper) Forget(revision types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.decoded, revision)
}

// create makes the revision of a CloneSet's template. A name that is taken by another template counts as a collision,
// and the next name is tried in the same pass.
func (k *Keeper) create(
	ctx context.Context, set *appsv1beta1.CloneSet, revisions *plan.Revisions,
) (*appsv1.ControllerRevision, error) {
	number := int64(1)
	if n := len(revisions.History); n > 0 {
		number = revisions.History[n-1].Revision + 1
	}
	for {
		collisions := int32(0)
		if revisions.CollisionCount != nil {
			collisions = *revisions.CollisionCount
		}
		fresh, err := New(set, number, collisions)
		if err != nil {
			return nil, err
		}
		made, taken, err := k.createOne(ctx, set, fresh)
		if !taken {
			return made, err
		}
		collisions++
		revisions.CollisionCount = &collisions
	}
}

// createOne makes one revision, or returns the one that an earlier call made. taken tells that the name belongs to
// something else.
func (k *Keeper) createOne(
	ctx context.Context, set *appsv1beta1.CloneSet, fresh *appsv1.ControllerRevision,
) (made *appsv1.ControllerRevision, taken bool, err error) {
	err = k.Client.Create(ctx, fresh)
	if !apierrors.IsAlreadyExists(err) {
		return fresh, false, err
	}
	found := &appsv1.ControllerRevision{}
	if err := k.Live.Get(ctx, client.ObjectKeyFromObject(fresh), found); err != nil {
		return nil, false, err
	}
	if !metav1.IsControlledBy(found, set) || !holds(found, &set.Spec.Template) {
		return nil, true, nil
	}
	return found, false, nil
}

// holds tells whether a revision holds a template. One that cannot be decoded holds none.
func holds(revision *appsv1.ControllerRevision, template *corev1.PodTemplateSpec) bool {
	held, err := Decode(revision)
	return err == nil && Equal(held, template)
}

// isBehind tells whether the update revision is not the newest one, or does not say why its template was set.
func isBehind(update *appsv1.ControllerRevision, set *appsv1beta1.CloneSet, history []*appsv1.ControllerRevision) bool {
	for key, value := range carried(set) {
		if said, ok := update.Annotations[key]; !ok || said != value {
			return true
		}
	}
	return update.Revision < history[len(history)-1].Revision
}

// bringUp makes the update revision the newest one, if it is not, and tells it why its template was set.
func (k *Keeper) bringUp(
	ctx context.Context, update *appsv1.ControllerRevision, set *appsv1beta1.CloneSet, history []*appsv1.ControllerRevision,
) (*appsv1.ControllerRevision, error) {
	number := update.Revision
	if newest := history[len(history)-1].Revision; number < newest {
		number = newest + 1
	}
	metadata := map[string]any{"uid": update.UID}
	if annotations := carried(set); annotations != nil {
		metadata["annotations"] = annotations
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata, "revision": number})
	if err != nil {
		return nil, fmt.Errorf("encoding the patch of a revision: %w", err)
	}
	after := update.DeepCopy()
	err = k.Client.Patch(ctx, after, client.RawPatch(types.MergePatchType, patch))
	return after, err
}
