package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// sighting is one version of an object, of which one kind is not nil.
type sighting struct {
	// revision orders the versions of all objects as they came about.
	revision uint64
	// at is when the witness was told.
	at    time.Time
	pod   *podSeen
	slice *sliceSeen
	set   *appsv1beta1.CloneSet
}

// witness keeps each version of the pods, EndpointSlices and CloneSets of a namespace.
type witness struct {
	mu        sync.Mutex
	sightings []sighting
	broken    error
	watches   []watch.Interface
	watching  sync.WaitGroup
}

// startWitness starts a witness of a namespace in which there is nothing yet.
func startWitness(t *testing.T, c *framework.Cluster, namespace string) *witness {
	t.Helper()
	w := &witness{}
	for _, kind := range []client.ObjectList{&corev1.PodList{}, &discoveryv1.EndpointSliceList{}, &appsv1beta1.CloneSetList{}} {
		must(t, c.Client.List(t.Context(), kind, client.InNamespace(namespace)))
		// A watch that breaks off is taken up again where it ended, so that no version is missing.
		events, err := watchtools.NewRetryWatcherWithContext(context.WithoutCancel(t.Context()), kind.GetResourceVersion(),
			&toolscache.ListWatch{WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
				return c.Client.Watch(ctx, kind.DeepCopyObject().(client.ObjectList), client.InNamespace(namespace),
					&client.ListOptions{Raw: &raw})
			}})
		must(t, err)
		w.watches = append(w.watches, events)
		w.watching.Go(func() { w.follow(events) })
	}
	return w
}

// stop ends the witness, and returns what it saw, in the order in which it came about.
func (w *witness) stop() ([]sighting, error) {
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	for _, events := range w.watches {
		events.Stop()
	}
	w.watching.Wait()
	slices.SortFunc(w.sightings, func(a, b sighting) int { return cmp.Compare(a.revision, b.revision) })
	return w.sightings, broken
}

func (w *witness) follow(events watch.Interface) {
	for event := range events.ResultChan() {
		object, ok := event.Object.(client.Object)
		if !ok {
			w.fail(fmt.Errorf("a watch broke off: %+v", event.Object))
			return
		}
		revision, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
		if err != nil {
			w.fail(err)
			return
		}
		s := sighting{revision: revision, at: time.Now()}
		switch o := object.(type) {
		case *corev1.Pod:
			if inplace.IsRehearsal(o) {
				continue
			}
			s.pod = seePod(o, event.Type == watch.Deleted)
		case *discoveryv1.EndpointSlice:
			s.slice = seeSlice(o, event.Type == watch.Deleted)
		case *appsv1beta1.CloneSet:
			s.set = o
		}
		w.mu.Lock()
		w.sightings = append(w.sightings, s)
		w.mu.Unlock()
	}
	w.fail(errors.New("a watch ended"))
}

func (w *witness) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = cmp.Or(w.broken, err)
}

// podSeen is what matters of one version of a pod.
type podSeen struct {
	name, uid, revision string
	gate, ready, gone   bool
	// images are those in the spec, and containers the IDs in the status, by the containers' names.
	images, containers map[string]string
	// runs is the image that the web server runs, as the status tells it, and restarts how often it was restarted.
	runs     string
	restarts int32
}

func seePod(pod *corev1.Pod, deleted bool) *podSeen {
	seen := &podSeen{
		name: pod.Name, uid: string(pod.UID), revision: pod.Labels[appsv1beta1.RevisionLabel],
		gate: framework.InServiceByGate(pod), ready: framework.IsReady(pod), gone: deleted || pod.DeletionTimestamp != nil,
		images: map[string]string{}, containers: map[string]string{},
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		seen.images[c.Name] = c.Image
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		seen.containers[c.Name] = c.ContainerID
		if c.Name == framework.MainContainer && c.State.Running != nil {
			seen.runs, seen.restarts = c.Image, c.RestartCount
		}
	}
	return seen
}

// available tells whether the pod takes part in the service.
func (p *podSeen) available() bool { return p != nil && !p.gone && p.gate && p.ready }

// sliceSeen is what matters of one version of an EndpointSlice: the UIDs of the pods that it serves.
type sliceSeen struct {
	name    string
	serving map[string]bool
}

func seeSlice(slice *discoveryv1.EndpointSlice, deleted bool) *sliceSeen {
	seen := &sliceSeen{name: slice.Name, serving: map[string]bool{}}
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if !deleted && e.TargetRef != nil && (e.Conditions.Serving == nil || *e.Conditions.Serving) {
			seen.serving[string(e.TargetRef.UID)] = true
		}
	}
	return seen
}
