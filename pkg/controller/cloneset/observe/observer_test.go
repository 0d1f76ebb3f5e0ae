package observe

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func observe(t *testing.T, o *Observer) plan.Input {
	t.Helper()
	in, err := o.Observe(t.Context(), cloneSet(), plan.Revisions{})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// podNames returns the names of the pods of a snapshot.
func podNames(in plan.Input) map[string]bool {
	names := map[string]bool{}
	for _, pod := range in.Pods {
		names[pod.Name] = true
	}
	return names
}

func TestSnapshotHoldsThePodsOfTheOwner(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Sets, cloneSet())
	add(t, o.Stores.Pods, testpods.New("a", owned))
	add(t, o.Stores.Pods, testpods.New("b"))
	add(t, o.Stores.Revisions, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
	o.Tracker.SeeTaken(setUID, "web-x")
	o.Tracker.SeeCreateError(setUID, "quota")
	in := observe(t, o)
	if diff := cmp.Diff(map[string]bool{"a": true}, podNames(in)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if !in.Taken["web-x"] || in.CreateError != "quota" || !in.Now.Equal(testpods.Start()) {
		t.Errorf("got %v, %q at %s", in.Taken, in.CreateError, in.Now)
	}
	if history, err := o.History(t.Context(), cloneSet()); err != nil || len(history) != 0 {
		t.Errorf("got revisions %v, %v of another owner", history, err)
	}
}

// sliceOf returns an EndpointSlice as the cache holds it.
func sliceOf(name string, serving map[types.UID]*bool) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault}}
	for uid, value := range serving {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: uid}, Conditions: discoveryv1.EndpointConditions{Serving: value},
		})
	}
	return slice
}

func TestPodIsSeenDrainedWhenNoEndpointServes(t *testing.T) {
	yes, no := new(true), new(false)
	tests := map[string]struct {
		slices []map[types.UID]*bool
		want   bool
	}{
		"no endpoints at all":                  {nil, true},
		"its endpoint does not serve":          {[]map[types.UID]*bool{{"uid-a": no}}, true},
		"its endpoint serves":                  {[]map[types.UID]*bool{{"uid-a": yes}}, false},
		"its endpoint says nothing: it serves": {[]map[types.UID]*bool{{"uid-a": nil}}, false},
		"one of two services has it":           {[]map[types.UID]*bool{{"uid-a": no}, {"uid-a": yes}}, false},
		"another pod's endpoint serves":        {[]map[types.UID]*bool{{"uid-a": no, "uid-b": yes}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newObserver(t)
			add(t, o.Stores.Pods, testpods.New("a", owned, testpods.Drained(testpods.Start())))
			for i, serving := range tt.slices {
				add(t, o.Stores.Slices, sliceOf(string(rune('a'+i)), serving))
			}
			in := observe(t, o)
			if got := !in.Sightings["uid-a"].DrainedSince.IsZero(); got != tt.want {
				t.Errorf("got drained %t, want %t", got, tt.want)
			}
		})
	}
}

func TestPodsThatServeHaveNoSighting(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Pods, testpods.New("a", owned, testpods.Serving()))
	if in := observe(t, o); len(in.Sightings) != 0 {
		t.Errorf("got %v", in.Sightings)
	}
}

func TestMissingPods(t *testing.T) {
	unlabelled := func(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) }
	another := func(pod *corev1.Pod) { pod.UID = "uid-of-its-successor" }
	tests := map[string]struct {
		live        []testpods.Option
		gone        bool
		inSnapshot  bool
		stillSought bool
	}{
		"lost its label":          {live: []testpods.Option{owned, unlabelled}, inSnapshot: true, stillSought: true},
		"has its label back":      {live: []testpods.Option{owned}, inSnapshot: true, stillSought: true},
		"is gone":                 {gone: true},
		"is another pod":          {live: []testpods.Option{owned, unlabelled, another}},
		"belongs to nobody since": {live: []testpods.Option{unlabelled}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newObserver(t)
			if !tt.gone {
				o = newObserver(t, testpods.New("a", tt.live...))
			}
			o.Tracker.SeeGone(setUID, testpods.New("a", owned))
			if got := podNames(observe(t, o))["a"]; got != tt.inSnapshot {
				t.Errorf("in the snapshot: got %t, want %t", got, tt.inSnapshot)
			}
			if got := len(o.Tracker.missing(setUID)) > 0; got != tt.stillSought {
				t.Errorf("still sought: got %t, want %t", got, tt.stillSought)
			}
		})
	}
}

// A pass that cannot find out whether a pod lives makes no plan: it might replace one that does.
func TestSnapshotFailsWhenAMissingPodCannotBeRead(t *testing.T) {
	o := newObserver(t)
	down := errors.New("down")
	o.Live = failingReader{down}
	o.Tracker.SeeGone(setUID, testpods.New("a", owned))
	if _, err := o.Observe(t.Context(), cloneSet(), plan.Revisions{}); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if _, err := o.Identify(t.Context(), cloneSet(), "a"); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestIdentify(t *testing.T) {
	unlabelled := func(pod *corev1.Pod) { delete(pod.Labels, appsv1beta1.ManagedLabel) }
	o := newObserver(t, testpods.New("own", owned), testpods.New("foreign"), testpods.New("unlabelled", owned, unlabelled))
	for name, want := range map[string]bool{"own": true, "foreign": false, "unlabelled": false, "none": false} {
		rv, err := o.Identify(t.Context(), cloneSet(), name)
		if err != nil || (rv != "") != want {
			t.Errorf("%s: got resourceVersion %q, %v; want one: %t", name, rv, err, want)
		}
	}
	if diff := cmp.Diff(map[string]bool{"foreign": true}, o.Tracker.taken(setUID)); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]types.UID{"unlabelled": "uid-unlabelled"}, o.Tracker.missing(setUID)); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func TestPodByUID(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Pods, testpods.New("a"))
	if got := o.Stores.PodByUID("uid-a"); got == nil || got.Name != "a" {
		t.Errorf("got %v", got)
	}
	if got := o.Stores.PodByUID("uid-b"); got != nil {
		t.Errorf("got %s for a UID that is not there", got.Name)
	}
}
