package integration_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// At the moment a pod is patched, no endpoint of it may be sent traffic. Resource versions tell what came first: the API
// server draws them all from one sequence.
func TestPatchesOnlyWhatTakesNoTraffic(t *testing.T) {
	t.Parallel()
	for name, publish := range map[string]bool{"Service": false, "Service with publishNotReadyAddresses": true} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.createService(publish)
			e.created(3)
			e.untilServing(3)
			before := e.present()
			e.change(setImage(imageV2))
			e.untilComplete(app)
			e.untilServing(3)
			e.expectPatchedOutOfService(before)
		})
	}
}

func (e *env) createService(publishNotReady bool) {
	e.Helper()
	e.must(e.client.Create(e.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: app},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{framework.AppLabel: app}, PublishNotReadyAddresses: publishNotReady,
			Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}))
}

// Though all pods may be out of service at a time, one of them serves until another one is back.
func TestKeepsTheLastEndpoint(t *testing.T) {
	e := newEnv(t)
	e.createService(false)
	e.created(3, setMaxUnavailable(intstr.FromString("100%")))
	e.untilServing(3)
	before := e.present()
	e.change(setImage(slowImage))
	e.untilComplete(app)
	for _, slice := range history[*discoveryv1.EndpointSlice](e, &discoveryv1.EndpointSliceList{}, before) {
		if slice.Labels[discoveryv1.LabelServiceName] == app && !slices.ContainsFunc(slice.Endpoints, isServing) {
			t.Errorf("at resourceVersion %s no endpoint serves: %+v", slice.ResourceVersion, slice.Endpoints)
		}
	}
}

func isServing(endpoint discoveryv1.Endpoint) bool {
	return endpoint.Conditions.Serving == nil || *endpoint.Conditions.Serving
}

// A single pod goes out of service, as its CloneSet allows it, and people hear of that.
func TestWarnsThatNothingServes(t *testing.T) {
	e := newEnv(t)
	e.createService(true)
	e.created(1, setGrace(forEver))
	e.untilServing(1)
	e.change(setImage(imageV2))
	e.untilEvent("Drain", "no endpoint of Service web is serving meanwhile")
	for _, event := range e.view.Events(app) {
		if event.Reason == "Drain" && event.Type != corev1.EventTypeWarning {
			t.Errorf("event Drain is of type %s", event.Type)
		}
	}
	e.untilSet("no note tells that the Service publishes the drained pod", func(set *appsv1beta1.CloneSet) bool {
		return slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
			return n.Reason == appsv1beta1.NotePublishedNotReady
		})
	})
}

// An EndpointSlice that somebody else keeps counts as well, and so does an endpoint that does not say whether it serves:
// the pod is not patched before the endpoint says that it does not.
func TestWaitsForEndpointOfAnotherKeeper(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	slice := e.keepSlice(e.view.Pods(app)[0])
	before := e.present()
	e.change(setImage(imageV2))
	e.untilPod("is not ready", func(pod *corev1.Pod) bool { return !framework.IsReady(pod) })
	// By the time that another CloneSet is complete, the pod would have been patched.
	e.must(e.client.Create(e.ctx, e.cloneSet("meanwhile", 2)))
	e.untilComplete("meanwhile")
	e.expectCount(1, "wait", isDraining)
	slice.Endpoints[0].Conditions.Serving = new(false)
	e.must(e.client.Update(e.ctx, slice))
	e.untilComplete(app)
	for _, pod := range history[*corev1.Pod](e, &corev1.PodList{}, before) {
		if pod.Labels[framework.AppLabel] == app && pod.Spec.Containers[0].Image == imageV2 && e.version(pod) < e.version(slice) {
			t.Error("the pod was patched before its endpoint stopped serving")
		}
	}
}

// keepSlice creates an EndpointSlice with an endpoint of a pod that does not say whether it serves.
func (e *env) keepSlice(pod *corev1.Pod) *discoveryv1.EndpointSlice {
	e.Helper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: e.namespace, Name: "kept"},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{pod.Status.PodIP},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		}},
	}
	e.must(e.client.Create(e.ctx, slice))
	return slice
}

func (e *env) expectPatchedOutOfService(since string) {
	e.Helper()
	versions := history[*discoveryv1.EndpointSlice](e, &discoveryv1.EndpointSliceList{}, since)
	patched := map[types.UID]uint64{}
	for _, pod := range history[*corev1.Pod](e, &corev1.PodList{}, since) {
		if _, seen := patched[pod.UID]; !seen && pod.Labels[framework.AppLabel] == app && pod.Spec.Containers[0].Image == imageV2 {
			patched[pod.UID] = e.version(pod)
		}
	}
	if len(patched) != 3 || len(versions) == 0 {
		e.Fatalf("saw %d pods patched and %d versions of EndpointSlices", len(patched), len(versions))
	}
	for uid, at := range patched {
		if serving := e.servingAt(versions, uid, at); serving != "false" {
			e.Errorf("when pod %s was patched, serving of its endpoint was %s", uid, serving)
		}
	}
}

// servingAt tells what the last of the versions of an EndpointSlice before a moment said of a pod.
func (e *env) servingAt(versions []*discoveryv1.EndpointSlice, pod types.UID, at uint64) string {
	last := "not told"
	for _, slice := range versions {
		if e.version(slice) > at {
			break
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef.UID == pod && endpoint.Conditions.Serving != nil {
				last = strconv.FormatBool(*endpoint.Conditions.Serving)
			}
		}
	}
	return last
}

// untilServing waits for a number of endpoints of the test's Service to be serving.
func (e *env) untilServing(want int) {
	e.Helper()
	e.until(func() (bool, string) {
		serving := 0
		for _, slice := range e.view.Slices(app) {
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Serving != nil && *endpoint.Conditions.Serving {
					serving++
				}
			}
		}
		return serving == want, strconv.Itoa(serving) + " endpoints are serving"
	})
}

// present returns the resourceVersion of now.
func (e *env) present() string {
	e.Helper()
	pods := &corev1.PodList{}
	e.must(e.client.List(e.ctx, pods, client.InNamespace(e.namespace)))
	return pods.ResourceVersion
}

// history returns all versions of the objects of a kind in the test's namespace, from one resourceVersion to what they are
// now, in their order.
func history[T client.Object](e *env, list client.ObjectList, since string) []T {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, stepTimeout)
	defer cancel()
	watcher, err := e.client.Watch(ctx, list, client.InNamespace(e.namespace), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: since},
	})
	e.must(err)
	defer watcher.Stop()
	newest := e.newest(list)
	var versions []T
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(T)
		if !ok {
			e.Fatalf("the watch told %v", event.Object)
		}
		versions = append(versions, object)
		if e.version(object) >= newest {
			return versions
		}
	}
	e.Fatalf("the watch ended before it told of version %d", newest)
	return nil
}

// newest returns the resourceVersion of the object of a kind that changed last.
func (e *env) newest(list client.ObjectList) uint64 {
	e.Helper()
	e.must(e.client.List(e.ctx, list, client.InNamespace(e.namespace)))
	var newest uint64
	e.must(meta.EachListItem(list, func(item runtime.Object) error {
		newest = max(newest, e.version(item.(client.Object)))
		return nil
	}))
	return newest
}

func (e *env) version(object client.Object) uint64 {
	e.Helper()
	version, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	e.must(err)
	return version
}

// A manager that has just started knows of the endpoints that there are: it does not patch a drained pod before none of them is
// serving.
func TestKnowsEndpointsAfterRestart(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(1, setGrace(0))
	pod := e.view.Pods(app)[0]
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "elsewhere", Labels: map[string]string{
			discoveryv1.LabelServiceName: "elsewhere", discoveryv1.LabelManagedBy: "test",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{"192.0.2.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod.Name, UID: pod.UID},
		}},
	}
	e.must(e.client.Create(e.ctx, slice))
	e.restart(m, func() {})
	e.change(setImage(imageV2), unrehearsed)
	e.untilKnown(pod, "is drained", func(pod *corev1.Pod) bool { return isDraining(pod) && !framework.IsReady(pod) })
	e.change(func(set *appsv1beta1.CloneSet) { set.Spec.RevisionHistoryLimit = new(int32(5)) })
	e.untilSet("no pass has seen the drained pod", func(*appsv1beta1.CloneSet) bool { return true })
	e.expectCount(1, "ask for the old image", func(pod *corev1.Pod) bool { return pod.Spec.Containers[0].Image == imageV1 })

	slice.Endpoints[0].Conditions.Serving = new(false)
	e.must(e.client.Update(e.ctx, slice))
	e.untilComplete(app)
	e.expectCount(1, "run the new image", runs(imageV2))
}
