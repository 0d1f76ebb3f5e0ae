package observe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// witness is a ledger that is shown the update of a pod, step by step.
type witness struct {
	*testing.T
	ledger *Ledger
	pod    *corev1.Pod
	now    time.Time
}

func newWitness(t *testing.T) *witness {
	w := &witness{T: t, ledger: NewLedger(), now: testpods.Start()}
	w.pod = testpods.New("a", testpods.Container("web", "app:a"), testpods.Serving(), testpods.Revision("web-a"))
	return w
}

// see has the ledger see the pod with some changes, a second later.
func (w *witness) see(changes ...func(*corev1.Pod)) inplace.Took {
	before := w.pod
	w.pod = w.pod.DeepCopy()
	for _, change := range changes {
		change(w.pod)
	}
	w.now = w.now.Add(time.Second)
	return w.ledger.SeePod(setUID, before, w.pod, w.now)
}

func (w *witness) plan(revision string, waiting ...types.UID) {
	w.ledger.SeePlan(setUID, revision, waiting, w.now)
}

// update shows the steps of an update up to its pod's being ready again.
func (w *witness) update() {
	w.Helper()
	w.see(testpods.Drained(testpods.Start()))
	w.pod = patched(w.T, w.pod, "app:b")
	w.see(testpods.Observe)
	w.see(func(pod *corev1.Pod) { testpods.Run(pod, "web", 2, "app:b") })
	if took := w.see(testpods.Serving()); took != nil {
		w.Fatalf("the update is over before the endpoints are back: %v", took)
	}
}

func TestLedgerTellsOfUpdatesThatEnd(t *testing.T) {
	w := newWitness(t)
	w.plan("web-a")
	w.plan("web-b")
	w.update()
	w.expectFigures(0, true)
	if took := w.ledger.SeeEndpoints(setUID, w.pod.UID, true, false, w.now); took != nil {
		t.Errorf("the update is over though its endpoints do not serve: %v", took)
	}
	took := w.ledger.SeeEndpoints(setUID, w.pod.UID, true, true, w.now.Add(time.Second))
	if took[appsv1beta1.UpdateOutOfService] != 4*time.Second {
		t.Errorf("got %v", took)
	}
	w.expectFigures(1, false)
	if took := w.ledger.SeeEndpoints(setUID, w.pod.UID, true, true, w.now); took != nil || len(w.ledger.All(setUID)) != 0 {
		t.Errorf("the update is over twice: %v", took)
	}
	w.ledger.Forget(setUID)
	if len(w.ledger.books) != 0 {
		t.Error("something is left of a CloneSet that is gone")
	}
}

// expectFigures checks of how many updates to web-b the ledger tells, and whether others are on their way.
func (w *witness) expectFigures(updates int32, more bool) {
	w.Helper()
	figures, gotMore := w.ledger.Figures(setUID)
	if awaits := w.ledger.AwaitsEndpoints(setUID, w.pod.UID); gotMore != more || awaits != more {
		w.Errorf("others are on their way: %t, and wait for endpoints: %t; want %t", gotMore, awaits, more)
	}
	switch {
	case figures == nil && updates == 0:
	case figures == nil || figures.Updates != updates || figures.Revision != "web-b":
		w.Errorf("got %+v, want %d updates", figures, updates)
	}
}

// Nobody watched a pod while it had no owner: since when it is out of service is not known.
func TestLedgerDoesNotGuessWhatWasBeforeAnAdoption(t *testing.T) {
	w := newWitness(t)
	w.see(testpods.Drained(testpods.Start()))
	w.ledger.Forget(setUID) // The CloneSet that has drained it was another one.
	w.see(owned)
	w.pod = patched(t, w.pod, "app:b")
	w.see(testpods.Observe)
	w.see(func(pod *corev1.Pod) { testpods.Run(pod, "web", 2, "app:b") })
	w.see(testpods.Serving())
	took := w.ledger.SeeEndpoints(setUID, w.pod.UID, true, true, w.now)
	if out, known := took[appsv1beta1.UpdateOutOfService]; known {
		t.Errorf("out of service for %s, and nobody knows since when", out)
	}
	if _, known := took[appsv1beta1.UpdateStart]; !known {
		t.Errorf("what was seen is not told: %v", took)
	}
}

// A pod that never waited for images did not wait, if this process would have seen it.
func TestLedgerKnowsOfRehearsals(t *testing.T) {
	for name, test := range map[string]struct {
		before func(*witness)
		want   time.Duration
		known  bool
	}{
		"a template that this process saw come":         {func(w *witness) { w.plan("web-a"); w.plan("web-b") }, 0, true},
		"a template that was there before this process": {func(w *witness) { w.plan("web-b"); w.plan("web-b") }, 0, false},
		"a spec that is invalid at first":               {func(w *witness) { w.plan(""); w.plan("web-b") }, 0, false},
		"a pod that waits when this process begins":     {func(w *witness) { w.plan("web-b", "uid-a"); w.now = w.now.Add(5 * time.Second); w.plan("web-b") }, 0, false},
		"a pod that begins to wait": {func(w *witness) {
			w.plan("web-b")
			w.plan("web-b", "uid-a")
			w.now = w.now.Add(5 * time.Second)
			w.plan("web-b")
		}, 5 * time.Second, true},
		"a pod that waited for images of another template": {func(w *witness) {
			w.plan("web-x")
			w.plan("web-y", "uid-a")
			w.now = w.now.Add(5 * time.Second)
			w.plan("web-b")
		}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t)
			test.before(w)
			w.update()
			took, known := w.ledger.SeeEndpoints(setUID, w.pod.UID, false, false, w.now)[appsv1beta1.UpdateRehearse]
			if took != test.want || known != test.known {
				t.Errorf("got %s (known: %t), want %s (%t)", took, known, test.want, test.known)
			}
		})
	}
}

// What is told of is updates to the update revision. A pod may end one to another revision late.
func TestLedgerTellsOfTheUpdateRevision(t *testing.T) {
	w := newWitness(t)
	w.plan("web-b")
	w.update()
	w.plan("web-c")
	if took := w.ledger.SeeEndpoints(setUID, w.pod.UID, true, true, w.now); took == nil {
		t.Error("the update is not over")
	}
	if figures, _ := w.ledger.Figures(setUID); figures != nil {
		t.Errorf("got %+v", figures)
	}
}

func TestLedgerForgetsPodsThatAreGone(t *testing.T) {
	w := newWitness(t)
	w.see(testpods.Drained(testpods.Start()))
	w.ledger.SeeGone(setUID, w.pod.UID)
	if len(w.ledger.books) != 0 {
		t.Error("something is left of the pod of a CloneSet for which no pass was made")
	}
	w.plan("web-b", w.pod.UID)
	w.see(testpods.Drained(testpods.Start()))
	w.ledger.SeeGone(setUID, w.pod.UID)
	if len(w.ledger.All(setUID)) != 0 {
		t.Error("something is left of the pod")
	}
	w.ledger.SeeGone("another", w.pod.UID)
}

func TestNoLedgerTellsNothing(t *testing.T) {
	var none *Ledger
	if figures, more := none.Figures(setUID); figures != nil || more || none.All(setUID) != nil {
		t.Error("no ledger tells something")
	}
}

func TestPercentiles(t *testing.T) {
	s := time.Second
	for name, test := range map[string]struct {
		values   []time.Duration
		count    int32
		p50, p95 time.Duration
	}{
		"one update":                        {[]time.Duration{3 * s}, 1, 3 * s, 3 * s},
		"two":                               {[]time.Duration{3 * s, 1 * s}, 2, 1 * s, 3 * s},
		"twenty":                            {upTo(20), 20, 10 * s, 19 * s},
		"a hundred":                         {upTo(100), 100, 50 * s, 95 * s},
		"the last ones of 356":              {upTo(356), window, 228 * s, 344 * s}, // 101 s to 356 s
		"what is shorter than a second":     {[]time.Duration{123 * time.Millisecond}, 1, 120 * time.Millisecond, 120 * time.Millisecond},
		"what is shorter than ten seconds":  {[]time.Duration{1234 * time.Millisecond}, 1, 1200 * time.Millisecond, 1200 * time.Millisecond},
		"what is longer than that":          {[]time.Duration{12345 * time.Millisecond}, 1, 12 * s, 12 * s},
		"nothing that takes no time at all": {[]time.Duration{0}, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			samples := newSamples("web-b")
			for _, value := range test.values {
				samples.add(inplace.Took{appsv1beta1.UpdateStart: value})
			}
			figures := samples.figures()
			if figures.Updates != int32(len(test.values)) || len(figures.Phases) != 1 {
				t.Fatalf("got %+v", figures)
			}
			want := []any{appsv1beta1.UpdateStart, test.count, test.p50, test.p95}
			got := figures.Phases[0]
			if diff := cmp.Diff(want, []any{got.Phase, got.Count, got.P50.Duration, got.P95.Duration}); diff != "" {
				t.Errorf("figures (-want +got):\n%s", diff)
			}
		})
	}
}

// upTo returns 1 s, 2 s and so on.
func upTo(n int) []time.Duration {
	values := make([]time.Duration, n)
	for i := range values {
		values[i] = time.Duration(i+1) * time.Second
	}
	return values
}

// However many pods there are, what is kept of a CloneSet does not grow beyond its window.
func TestSamplesAreBounded(t *testing.T) {
	samples := newSamples("web-b")
	for i := range 5000 {
		samples.add(inplace.Took{appsv1beta1.UpdateDrain: time.Duration(i), appsv1beta1.UpdateStart: time.Duration(i)})
	}
	for phase, ring := range samples.phases {
		if len(ring.values) != window {
			t.Errorf("%d times of %s are kept", len(ring.values), phase)
		}
	}
	if samples.figures().Updates != 5000 {
		t.Errorf("got %+v", samples.figures())
	}
}
