package integration_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// revisions returns the revisions of the test's namespace, by their numbers.
func (e *env) revisions() map[int64]*appsv1.ControllerRevision {
	e.Helper()
	list := &appsv1.ControllerRevisionList{}
	e.must(e.client.List(e.ctx, list, client.InNamespace(e.namespace)))
	byNumber := map[int64]*appsv1.ControllerRevision{}
	for i := range list.Items {
		byNumber[list.Items[i].Revision] = &list.Items[i]
	}
	return byNumber
}

func setCause(cause string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		metav1.SetMetaDataAnnotation(&set.ObjectMeta, appsv1beta1.ChangeCauseAnnotation, cause)
	}
}

// Equal templates share a revision: going back makes none, but renumbers the old one. Each tells why it was set.
func TestGoingBackRenumbersTheRevision(t *testing.T) {
	e := newEnv(t)
	e.created(2, setCause("the first"))
	first := e.view.CloneSet(app).Status.UpdateRevision
	e.change(setImage(imageV2), setCause("a newer image"))
	e.untilComplete(app)
	e.change(setCause("a newer image, after all"))
	second := e.view.CloneSet(app).Status.UpdateRevision
	e.untilCauses(map[int64]string{1: first + " the first", 2: second + " a newer image, after all"})
	e.change(setImage(imageV1), setCause("back again"))
	e.untilComplete(app)
	e.untilCauses(map[int64]string{2: second + " a newer image, after all", 3: first + " back again"})
}

// untilCauses waits until the revisions, by their numbers, have these names and causes, and there are no others.
func (e *env) untilCauses(want map[int64]string) {
	e.Helper()
	e.poll(func() (bool, string) {
		got := map[int64]string{}
		for number, stored := range e.revisions() {
			got[number] = stored.Name + " " + stored.Annotations[appsv1beta1.ChangeCauseAnnotation]
		}
		return fmt.Sprint(got) == fmt.Sprint(want), fmt.Sprintf("the revisions are %v, want %v", got, want)
	})
}

// The name that a template would get is taken by another revision.
func TestCollisionOfNames(t *testing.T) {
	e := newEnv(t)
	set := e.cloneSet(app, 1)
	e.must(e.client.Create(e.ctx, set, client.DryRunAll)) // As the API server completes it.
	taken, err := revision.New(set, 7, 0)
	e.must(err)
	taken.OwnerReferences = nil
	taken.Labels = map[string]string{"somebody": "else"}
	taken.Data = runtime.RawExtension{Raw: []byte(`{"spec":{}}`)}
	e.must(e.client.Create(e.ctx, taken))
	set = e.cloneSet(app, 1)
	e.must(e.client.Create(e.ctx, set))
	e.untilComplete(app)
	status := e.view.CloneSet(app).Status
	if status.CollisionCount == nil || *status.CollisionCount != 1 || status.UpdateRevision == taken.Name {
		t.Errorf("got %v collisions and revision %s, want 1 and another than %s", status.CollisionCount, status.UpdateRevision, taken.Name)
	}
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.change(setImage(imageV1))
	e.untilComplete(app)
	if again := e.view.CloneSet(app).Status.UpdateRevision; again != status.UpdateRevision {
		t.Errorf("got revision %s for the same template, want %s again", again, status.UpdateRevision)
	}
}

// The stable revision stays what it is as long as a pod of the new one is not available.
func TestStableRevisionWaitsForAvailablePods(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	stable := e.view.CloneSet(app).Status.CurrentRevision
	e.change(setImage(imageV2), func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 500 })
	set := e.untilSet("no pod runs the new image", func(set *appsv1beta1.CloneSet) bool { return set.Status.UpdatedReadyReplicas == 1 })
	if set.Status.CurrentRevision != stable {
		t.Errorf("got stable revision %s while no pod of it is available, want %s", set.Status.CurrentRevision, stable)
	}
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.MinReadySeconds = 0 })
	e.untilComplete(app)
	e.untilSet("the stable revision is not the new one", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.CurrentRevision == set.Status.UpdateRevision && set.Status.CurrentRevision != stable
	})
}

// Whichever revision is deleted by hand, it comes back as it was. No pod is touched for it, and the partition goes on
// holding.
func TestDeletedRevisionComesBack(t *testing.T) {
	t.Parallel()
	for name, choose := range map[string]func(*appsv1beta1.CloneSetStatus) []string{
		"the update revision": func(s *appsv1beta1.CloneSetStatus) []string { return []string{s.UpdateRevision} },
		"the stable revision": func(s *appsv1beta1.CloneSetStatus) []string { return []string{s.CurrentRevision} },
		"both":                func(s *appsv1beta1.CloneSetStatus) []string { return []string{s.CurrentRevision, s.UpdateRevision} },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(4, setPartition(intstr.FromInt32(2)))
			e.change(setImage(imageV2))
			e.untilPartitionReached(2)
			before := e.identities()
			old := e.revisions()
			status := e.view.CloneSet(app).Status
			for _, name := range choose(&status) {
				e.must(e.client.Delete(e.ctx, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name}}))
			}
			e.poll(func() (bool, string) {
				now := e.revisions()
				same := len(now) == len(old)
				for number, stored := range old {
					same = same && now[number] != nil && now[number].Name == stored.Name &&
						slices.Equal(now[number].Data.Raw, stored.Data.Raw)
				}
				return same, fmt.Sprintf("there are %d revisions, want the %d that there were", len(now), len(old))
			})
			e.untilPartitionReached(2)
			e.expectCount(2, "run the old image", runs(imageV1))
			e.change(setPartition(intstr.FromInt32(0)))
			e.untilComplete(app)
			e.expectCount(4, "run the new image", runs(imageV2))
			e.expectIdentities(before)
			e.expectCreated(4)
		})
	}
}

// A revision that pods run and that is neither the update nor the stable one.
func TestDeletedRevisionInBetweenComesBack(t *testing.T) {
	e := newEnv(t)
	e.created(3, setPartition(intstr.FromInt32(1)))
	e.change(setImage(imageV2))
	e.untilPartitionReached(2)
	between := e.view.CloneSet(app).Status.UpdateRevision
	before := e.identities()
	e.change(setPaused(true), setImage(imageV3))
	e.untilSet("the newest revision is not there", func(set *appsv1beta1.CloneSet) bool { return set.Status.UpdateRevision != between })
	e.must(e.client.Delete(e.ctx, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: between}}))
	e.poll(func() (bool, string) { return len(e.revisions()) == 3, "the revision does not come back" })
	e.change(setPaused(false), setPartition(intstr.FromInt32(0)))
	e.untilComplete(app)
	e.expectCount(3, "run the newest image", runs(imageV3))
	e.expectIdentities(before)
}

// A revision that nothing needs stays deleted.
func TestDeletedIdleRevisionStaysDeleted(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	first := e.view.CloneSet(app).Status.UpdateRevision
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.untilSet("the stable revision is not the new one", func(set *appsv1beta1.CloneSet) bool { return set.Status.CurrentRevision != first })
	e.must(e.client.Delete(e.ctx, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: first}}))
	e.change(setReplicas(2))
	e.untilComplete(app)
	e.change(setImage(imageV3))
	e.untilComplete(app)
	for number, stored := range e.revisions() {
		if stored.Name == first {
			t.Errorf("revision %d is back", number)
		}
	}
}

// What is in a revision is what was in the template, and nothing else.
func TestRevisionHoldsTheTemplate(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	stored := e.revisions()[1]
	var data struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	e.must(json.Unmarshal(stored.Data.Raw, &data))
	if !revision.Equal(&data.Spec.Template, &e.view.CloneSet(app).Spec.Template) {
		t.Errorf("got %s", stored.Data.Raw)
	}
}
