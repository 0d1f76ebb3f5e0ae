package revision_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

func namesOf(history []*appsv1.ControllerRevision) []string {
	names := []string{}
	for _, revision := range history {
		names = append(names, revision.Name)
	}
	return names
}

func TestDeletedRevisionsAreRemembered(t *testing.T) {
	w := newWorld(t)
	first, _ := w.resolve(cloneSet(), nil)
	set := imageOf(cloneSet(), "app:b")
	set.Status.CurrentRevision = first.Update.Name
	w.resolve(set, w.history())
	second, _ := w.resolve(set, w.history())
	w.wrote("create", "create")

	all, _ := w.resolve(set, nil)
	w.wrote() // The plan makes them again, not this.
	want := slices.Sorted(slices.Values([]string{first.Update.Name, second.Update.Name}))
	if diff := cmp.Diff(want, namesOf(all.Lost)); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	if all.Update.Name != second.Update.Name || all.Current.Name != first.Update.Name {
		t.Errorf("got update %s and current %s, want %s and %s", all.Update.Name, all.Current.Name,
			second.Update.Name, first.Update.Name)
	}
	if got := all.Current.Template.Spec.Containers[0].Image; got != "app:a" {
		t.Errorf("got image %s of the stable revision", got)
	}
	for _, revision := range all.Lost {
		if revision.UID != "" || revision.ResourceVersion != "" || len(revision.OwnerReferences) != 1 || revision.Revision == 0 {
			t.Errorf("got %+v, which cannot be made again", revision)
		}
	}
}

func TestWhatIsNoLongerNeededIsForgotten(t *testing.T) {
	lost := func(forget func(w *world, first plan.Revisions)) []string {
		w := newWorld(t)
		first, _ := w.resolve(cloneSet(), nil)
		w.resolve(cloneSet(), w.history())
		forget(w, first)
		revisions, _ := w.resolve(imageOf(cloneSet(), "app:b"), nil)
		return namesOf(revisions.Lost)
	}
	if got := lost(func(*world, plan.Revisions) {}); len(got) != 1 {
		t.Errorf("got %v, want one", got)
	}
	if got := lost(func(w *world, first plan.Revisions) { w.keeper.Drop(cloneSet().UID, first.Update.Name) }); len(got) != 0 {
		t.Errorf("got %v after it was dropped", got)
	}
	if got := lost(func(w *world, _ plan.Revisions) { w.keeper.DropAll(cloneSet().UID) }); len(got) != 0 {
		t.Errorf("got %v after all were dropped", got)
	}
}
