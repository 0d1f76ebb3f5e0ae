package observe

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// ofService makes a slice one of a Service.
func ofService(name string, slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	return slice
}

// services returns the endpoints of two Services, one of which has two slices, and of one of the same name elsewhere.
func services(t *testing.T) plan.Endpoints {
	t.Helper()
	o, yes, no := newObserver(t), new(true), new(false)
	published := ofService("published", sliceOf("published-1", map[types.UID]*bool{"a": no}))
	published.Endpoints[0].Conditions.Ready = yes
	elsewhere := ofService("web", sliceOf("web-1", map[types.UID]*bool{"c": yes}))
	elsewhere.Namespace = "elsewhere"
	for _, slice := range []*discoveryv1.EndpointSlice{
		ofService("web", sliceOf("web-1", map[types.UID]*bool{"a": no, "b": no})),
		ofService("web", sliceOf("web-2", map[types.UID]*bool{"a": nil})),
		published, elsewhere, sliceOf("of-nothing", map[types.UID]*bool{"a": yes}),
	} {
		add(t, o.Stores.Slices, slice)
	}
	return endpoints{o.Stores, "default"}
}

func TestEndpointsOfPod(t *testing.T) {
	for pod, want := range map[types.UID][]plan.Endpoint{
		"a": {{Service: "published", Published: true}, {Service: "web", Serving: true}},
		"b": {{Service: "web"}},
		"d": nil,
	} {
		got := services(t).Of(pod)
		slices.SortFunc(got, func(a, b plan.Endpoint) int { return strings.Compare(a.Service, b.Service) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pod, diff)
		}
	}
}

func TestAnyServing(t *testing.T) {
	all := services(t)
	for service, want := range map[string]bool{"web": true, "published": false, "unknown": false} {
		if got := all.AnyServing(service, func(types.UID) bool { return false }); got != want {
			t.Errorf("%s: got %t", service, got)
		}
	}
	if all.AnyServing("web", func(pod types.UID) bool { return pod == "a" }) {
		t.Error("an endpoint is serving beside the one that is excepted, or one of another namespace is")
	}
}
