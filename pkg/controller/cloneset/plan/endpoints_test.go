package plan

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// services are Services, and which of their endpoints are serving.
type fakeServices map[string]map[types.UID]bool

func (f fakeServices) Of(pod types.UID) []Endpoint {
	var found []Endpoint
	for service, endpoints := range f {
		if serving, ok := endpoints[pod]; ok {
			found = append(found, Endpoint{Service: service, Serving: serving, Published: service == "published" && !serving})
		}
	}
	return found
}

func (f fakeServices) AnyServing(service string, except func(types.UID) bool) bool {
	for pod, serving := range f[service] {
		if serving && !except(pod) {
			return true
		}
	}
	return false
}

// serviceOf returns a Service of the pods of these names; those after a minus are not serving.
func serviceOf(name, pods string) fakeServices {
	endpoints := map[types.UID]bool{}
	for pod := range strings.FieldsSeq(pods) {
		endpoints[types.UID("uid-"+strings.TrimPrefix(pod, "-"))] = !strings.HasPrefix(pod, "-")
	}
	return fakeServices{name: endpoints}
}

func TestLastServingEndpointIsNotDrained(t *testing.T) {
	all := maxUnavailableOf(2)
	tests := map[string]struct {
		set      *appsv1beta1.CloneSet
		pods     []*corev1.Pod
		services fakeServices
		want     []string
		noted    bool
	}{
		"another pod serves": {cloneSet(2), []*corev1.Pod{old("a"), old("b")}, serviceOf("web", "a b"), []string{"Drain a"}, false},
		"the other one is ready, but not serving yet": {
			cloneSet(2), []*corev1.Pod{old("a"), updated("b")}, serviceOf("web", "a -b"), nil, true,
		},
		"the other one is drained, which the slices do not show yet": {
			cloneSet(2, all), []*corev1.Pod{old("a"), drainedOld("b")}, serviceOf("web", "a b"), []string{"UpdateInPlace b"}, true,
		},
		"the other one terminates, which the slices do not show yet": {
			cloneSet(2, all), []*corev1.Pod{old("a"), old("b", terminating)}, serviceOf("web", "a b"), []string{"CreatePod at web-b"}, true,
		},
		"the other one has ended, which the slices do not show yet": {
			cloneSet(2, all), []*corev1.Pod{old("a"), old("b", ended)}, serviceOf("web", "a b"), []string{"CreatePod at web-b"}, true,
		},
		"the other one is to be deleted": {
			cloneSet(1, all),
			[]*corev1.Pod{old("a"), old("b", notReady(), testpods.Label(appsv1beta1.SpecifiedDeleteLabel, ""))},
			serviceOf("web", "a -b"),
			[]string{"DeleteSpecified b", "Drain a"},
			false,
		},
		"all of them may be down, but one stays until another is back": {
			cloneSet(2, all), []*corev1.Pod{old("a"), old("b")}, serviceOf("web", "a b"), []string{"Drain a"}, true,
		},
		"the other one is down, and there is a slot": {
			cloneSet(2, all), []*corev1.Pod{old("a"), updated("b", notReady())}, serviceOf("web", "a -b"), nil, true,
		},
		"another pod is being made": {
			cloneSet(2, all), []*corev1.Pod{old("a")}, serviceOf("web", "a"), []string{"CreatePod at web-b"}, true,
		},
		"a surge pod is being made": {
			cloneSet(1, surgeOf("100%", "1")), []*corev1.Pod{old("a")}, serviceOf("web", "a"), []string{"CreatePod at web-b"}, true,
		},
		"there is no other pod": {cloneSet(1), []*corev1.Pod{old("a")}, serviceOf("web", "a"), []string{"Drain a"}, false},
		"no node takes the other pod": {
			cloneSet(2, all), []*corev1.Pod{old("a"), updated("b", unscheduled)}, serviceOf("web", "a"), []string{"Drain a", "Serve b"}, false,
		},
		"somebody else's pods serve, too": {
			cloneSet(2, all), []*corev1.Pod{old("a"), updated("b", notReady())}, serviceOf("web", "a -b others"), []string{"Drain a"}, false,
		},
		"it is behind no Service": {
			cloneSet(2, all), []*corev1.Pod{old("a"), old("b")}, serviceOf("web", "others"), []string{"Drain a", "Drain b"}, false,
		},
		"a new pod is needed instead": {
			cloneSet(2, withEnv, all), []*corev1.Pod{old("a"), updated("b", notReady())}, serviceOf("web", "a -b"), nil, true,
		},
		"the other one is a surge pod that is mended, though its turn to be updated never comes": {
			cloneSet(1, surgeOf("1", "1"), policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy), weights(weight1(1, "first", "yes"))),
			[]*corev1.Pod{old("a", testpods.Label("first", "yes")), old("s", temporary, notReady())},
			serviceOf("web", "a -s"),
			[]string{"Drain s"},
			true,
		},
		"the other one stays down, for the partition": {
			cloneSet(2, all, partitionOf(1), weights(weight1(1, "first", "yes"))),
			[]*corev1.Pod{old("a", testpods.Label("first", "yes")), old("b", notReady())},
			serviceOf("web", "a -b"),
			[]string{"Drain a"},
			false,
		},
		"what is down is mended first": {
			cloneSet(2, all), []*corev1.Pod{old("a"), drainedOld("b")}, serviceOf("web", "a -b"), []string{"UpdateInPlace b"}, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputOf(tt.set, tt.pods...)
			in.Endpoints = tt.services
			p := Compute(in)
			expect(t, p, tt.want...)
			noted := false
			for _, note := range p.Status.PodNotes {
				noted = noted || note.Reason == appsv1beta1.NoteLastEndpoint && strings.Contains(note.Message, "Service web")
			}
			if noted != tt.noted {
				t.Errorf("got notes %+v", p.Status.PodNotes)
			}
		})
	}
}

// Whether the other pod is to be updated is not decided yet when the last one that serves is to be replaced.
func TestLastServingEndpointIsNotReplacedForItsResources(t *testing.T) {
	tests := map[string]struct {
		partition int
		want      []string
	}{
		"the other one is down and to be updated":     {0, []string{"UpdateInPlace b"}},
		"the other one stays down, for the partition": {1, []string{"Recreate a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(2, maxUnavailableOf(2), partitionOf(tt.partition))
			in := resizeInput(set, asked(t, "a", infeasible()), small("b", notReady()))
			in.Endpoints = serviceOf("web", "a -b")
			expect(t, Compute(in), tt.want...)
		})
	}
}

func TestWarnsWhereNothingServesMeanwhile(t *testing.T) {
	in := inputOf(cloneSet(1), old("a"))
	in.Endpoints = serviceOf("web", "a")
	p := Compute(in)
	expect(t, p, "Drain a")
	if a := p.Actions[0]; !a.Warns || !strings.Contains(a.Why, "no endpoint of Service web is serving meanwhile") {
		t.Errorf("got %s (a warning: %t)", a.Why, a.Warns)
	}
	in.Endpoints = serviceOf("web", "a others")
	if a := Compute(in).Actions[0]; a.Warns || strings.Contains(a.Why, "Service") {
		t.Errorf("got %s (a warning: %t) where another pod serves", a.Why, a.Warns)
	}
}

func TestTellsOfServicesThatPublishDrainedPods(t *testing.T) {
	in := inputOf(cloneSet(2), drainedOld("a"), old("b", testpods.Label("x", "y")))
	in.Endpoints = serviceOf("published", "-a b")
	notes := Compute(in).Status.PodNotes
	if len(notes) != 1 || notes[0].Reason != appsv1beta1.NotePublishedNotReady ||
		!strings.HasPrefix(notes[0].Message, "Service published has publishNotReadyAddresses") {
		t.Errorf("got notes %+v", notes)
	}
	in.Endpoints = serviceOf("web", "-a b")
	if notes := Compute(in).Status.PodNotes; len(notes) > 0 {
		t.Errorf("got notes %+v of a Service that does not", notes)
	}
}
