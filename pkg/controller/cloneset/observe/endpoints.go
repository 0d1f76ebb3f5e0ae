package observe

import (
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// endpoints are those of the Services of a namespace, as the cache holds them.
type endpoints struct {
	stores    Stores
	namespace string
}

// Of returns what Services list of a pod, one entry a Service, though it may have several slices.
func (e endpoints) Of(pod types.UID) []plan.Endpoint {
	listing, err := byIndex[*discoveryv1.EndpointSlice](e.stores.Slices, targetIndex, string(pod))
	if err != nil {
		return nil // The index is there from the start.
	}
	var found []plan.Endpoint
	for _, slice := range listing {
		if slice.Labels[discoveryv1.LabelServiceName] == "" {
			continue // Somebody keeps it for other purposes.
		}
		for i := range slice.Endpoints {
			if endpoint := &slice.Endpoints[i]; endpoint.TargetRef.UID == pod {
				found = with(found, plan.Endpoint{
					Service: slice.Labels[discoveryv1.LabelServiceName], Serving: isServing(endpoint), Published: isPublished(endpoint),
				})
			}
		}
	}
	return found
}

// with adds an entry to those of other Services, or to what is known of the same one.
func with(found []plan.Endpoint, next plan.Endpoint) []plan.Endpoint {
	for i := range found {
		if found[i].Service == next.Service {
			found[i].Serving = found[i].Serving || next.Serving
			found[i].Published = found[i].Published || next.Published
			return found
		}
	}
	return append(found, next)
}

// AnyServing tells whether any endpoint of a Service is serving, but for those of the pods that are excepted.
func (e endpoints) AnyServing(service string, except func(types.UID) bool) bool {
	slices, err := byIndex[*discoveryv1.EndpointSlice](e.stores.Slices, serviceIndex, e.namespace+"/"+service)
	if err != nil {
		return false // The index is there from the start.
	}
	for _, slice := range slices {
		for i := range slice.Endpoints {
			if endpoint := &slice.Endpoints[i]; isServing(endpoint) && !except(endpoint.TargetRef.UID) {
				return true
			}
		}
	}
	return false
}

// byService finds the slices of a Service.
func byService(object any) ([]string, error) {
	if slice, ok := object.(*discoveryv1.EndpointSlice); ok {
		return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}, nil
	}
	return nil, nil
}
