package observe

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func TestCacheIsFreshWhenItHoldsWhatWasWritten(t *testing.T) {
	tests := map[string]struct {
		store func(Stores) toolscache.Indexer
		wrote func(*Freshness, string)
	}{
		"CloneSet": {
			func(s Stores) toolscache.Indexer { return s.Sets },
			func(f *Freshness, rv string) { f.WroteSet(keyOfSet(), rv) },
		},
		"pod": {
			func(s Stores) toolscache.Indexer { return s.Pods },
			func(f *Freshness, rv string) { f.WrotePod(keyOfSet(), rv) },
		},
		"claim": {
			func(s Stores) toolscache.Indexer { return s.Claims },
			func(f *Freshness, rv string) { f.WroteClaim(keyOfSet(), rv) },
		},
		"revision": {
			func(s Stores) toolscache.Indexer { return s.Revisions },
			func(f *Freshness, rv string) { f.WroteRevision(keyOfSet(), rv) },
		},
		"budget": {
			func(s Stores) toolscache.Indexer { return s.Budgets },
			func(f *Freshness, rv string) { f.WroteBudget(keyOfSet(), rv) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stores := newStores()
			f := NewFreshness(stores)
			if !f.IsFresh(keyOfSet()) {
				t.Error("not fresh before anything was written")
			}
			tt.wrote(f, "20")
			tt.wrote(f, "9") // Calls are made in parallel, and end in any order.
			for _, seen := range []string{"", "8", "9", "19"} {
				if seen != "" {
					tt.store(stores).Bookmark(seen)
				}
				if f.IsFresh(keyOfSet()) {
					t.Errorf("fresh at %q, before what was written at 20 was seen", seen)
				}
			}
			tt.store(stores).Bookmark("20")
			if !f.IsFresh(keyOfSet()) {
				t.Error("not fresh at 20")
			}
		})
	}
}

func TestCacheIsFreshWhenADeletionIsSeen(t *testing.T) {
	deleting := func(pod *corev1.Pod) { pod.DeletionTimestamp = new(metav1.NewTime(testpods.Start())) }
	another := func(pod *corev1.Pod) { pod.UID = "uid-of-its-successor" }
	tests := map[string]func(*testing.T, Stores){
		"the pod terminates":                 func(t *testing.T, s Stores) { add(t, s.Pods, testpods.New("a", deleting)) },
		"another pod has its name":           func(t *testing.T, s Stores) { add(t, s.Pods, testpods.New("a", another)) },
		"the pod is gone, or never was here": func(_ *testing.T, s Stores) { _ = s.Pods.Delete(testpods.New("a")) },
	}
	for name, see := range tests {
		t.Run(name, func(t *testing.T) {
			stores := newStores()
			f := NewFreshness(stores)
			add(t, stores.Pods, testpods.New("a"))
			f.DeletedPod(keyOfSet(), testpods.New("a"))
			if f.IsFresh(keyOfSet()) {
				t.Error("fresh before the deletion was seen")
			}
			see(t, stores)
			if !f.IsFresh(keyOfSet()) {
				t.Error("not fresh after the deletion was seen")
			}
		})
	}
}

func TestCacheIsFreshWhenTheDeletionOfAClaimIsSeen(t *testing.T) {
	stores := newStores()
	f := NewFreshness(stores)
	add(t, stores.Claims, claim("data-web-a"))
	f.DeletedClaim(keyOfSet(), claim("data-web-a"))
	if f.IsFresh(keyOfSet()) {
		t.Error("fresh before the deletion was seen")
	}
	gone := claim("data-web-a")
	gone.DeletionTimestamp = new(metav1.NewTime(testpods.Start()))
	add(t, stores.Claims, gone)
	if !f.IsFresh(keyOfSet()) {
		t.Error("not fresh after the deletion was seen")
	}
}

func TestCallWithoutAnOutcomeIsDoubted(t *testing.T) {
	stores := newStores()
	f := NewFreshness(stores)
	f.Doubt(keyOfSet(), "a")
	if got := f.Doubted(keyOfSet()); f.IsFresh(keyOfSet()) || len(got) != 1 || got[0] != "a" {
		t.Errorf("got doubted %v, fresh %t", got, f.IsFresh(keyOfSet()))
	}
	f.Settle(keyOfSet(), "a", "7")
	if f.IsFresh(keyOfSet()) || f.Doubted(keyOfSet()) != nil {
		t.Error("fresh before what was found is in the cache")
	}
	stores.Pods.Bookmark("7")
	if !f.IsFresh(keyOfSet()) {
		t.Error("not fresh once it is")
	}
	f.Doubt(keyOfSet(), "b")
	f.Settle(keyOfSet(), "b", "") // There is no such pod.
	if !f.IsFresh(keyOfSet()) {
		t.Error("not fresh though nothing was made")
	}
}

func TestBudgetWithoutAnOutcomeIsDoubted(t *testing.T) {
	stores := newStores()
	f := NewFreshness(stores)
	f.DoubtBudget(keyOfSet(), "web")
	if got := f.DoubtedBudgets(keyOfSet()); f.IsFresh(keyOfSet()) || len(got) != 1 || got[0] != "web" {
		t.Errorf("got doubted %v, fresh %t", got, f.IsFresh(keyOfSet()))
	}
	f.SettleBudget(keyOfSet(), "web", "7")
	if f.IsFresh(keyOfSet()) || f.DoubtedBudgets(keyOfSet()) != nil {
		t.Error("fresh before what was found is in the cache")
	}
	stores.Budgets.Bookmark("7")
	if !f.IsFresh(keyOfSet()) {
		t.Error("not fresh once it is")
	}
	f.DoubtBudget(keyOfSet(), "gone")
	f.SettleBudget(keyOfSet(), "gone", "")
	if !f.IsFresh(keyOfSet()) {
		t.Error("not fresh though there is none")
	}
}

func TestPassThatWasTurnedAwayIsOwedAnother(t *testing.T) {
	stores := newStores()
	f := NewFreshness(stores)
	f.WroteSet(keyOfSet(), "5")
	if f.TurnedAway(keyOfSet()) {
		t.Error("turned away before a pass came")
	}
	f.IsFresh(keyOfSet())
	if !f.TurnedAway(keyOfSet()) {
		t.Error("a pass that ended early is not remembered")
	}
	stores.Sets.Bookmark("5")
	f.IsFresh(keyOfSet())
	if f.TurnedAway(keyOfSet()) {
		t.Error("remembered after a pass was let through")
	}
}

func TestForgottenCloneSetIsFresh(t *testing.T) {
	f := NewFreshness(newStores())
	f.WroteSet(keyOfSet(), "5")
	f.Forget(keyOfSet())
	if !f.IsFresh(keyOfSet()) {
		t.Error("what was written for a CloneSet that is gone holds up its successor")
	}
}
