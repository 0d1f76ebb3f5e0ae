package framework

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// View is what the API server has told about one namespace so far. It follows the namespace by watching. What it returns
// is shared and must not be changed.
type View struct {
	pods, events, accounts, slices, deployments, cloneSets, leases toolscache.Store

	mu        sync.Mutex
	changed   chan struct{}
	observers map[int]func()
	nextID    int
}

// NewView returns a view of the namespace that is complete, and stays current until ctx ends.
func (c *Cluster) NewView(ctx context.Context, namespace string) (*View, error) {
	v := &View{changed: make(chan struct{}), observers: map[int]func(){}}
	for _, f := range []struct {
		store  *toolscache.Store
		object client.Object
		list   client.ObjectList
	}{
		{&v.pods, &corev1.Pod{}, &corev1.PodList{}},
		{&v.events, &corev1.Event{}, &corev1.EventList{}},
		{&v.accounts, &corev1.ServiceAccount{}, &corev1.ServiceAccountList{}},
		{&v.slices, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}},
		{&v.deployments, &appsv1.Deployment{}, &appsv1.DeploymentList{}},
		{&v.leases, &coordinationv1.Lease{}, &coordinationv1.LeaseList{}},
		{&v.cloneSets, &appsv1beta1.CloneSet{}, &appsv1beta1.CloneSetList{}},
	} {
		informer := toolscache.NewSharedIndexInformer(c.listWatch(namespace, f.list), f.object, 0, toolscache.Indexers{})
		*f.store = informer.GetStore()
		if err := v.follow(ctx, informer); err != nil {
			return nil, fmt.Errorf("watch %T: %w", f.object, err)
		}
	}
	return v, nil
}

func (c *Cluster) listWatch(namespace string, kind client.ObjectList) *toolscache.ListWatch {
	options := func(raw metav1.ListOptions) *client.ListOptions {
		return &client.ListOptions{Namespace: namespace, Raw: &raw}
	}
	fresh := func() client.ObjectList { return kind.DeepCopyObject().(client.ObjectList) }
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
			list := fresh()
			return list, c.Client.List(ctx, list, options(raw))
		},
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			return c.Client.Watch(ctx, fresh(), options(raw))
		},
	}
}

// follow runs the informer until ctx ends, and returns when it is complete.
func (v *View) follow(ctx context.Context, informer toolscache.SharedIndexInformer) error {
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { v.notify() },
		UpdateFunc: func(any, any) { v.notify() },
		DeleteFunc: func(any) { v.notify() },
	})
	if err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	if !toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		return context.Cause(ctx)
	}
	return nil
}

func (v *View) notify() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.changed)
	v.changed = make(chan struct{})
	for _, observe := range v.observers {
		observe()
	}
}

// Observe calls f now and after every change, one call at a time, until stop is called. f must be quick and must not
// call Observe, Until or stop.
func (v *View) Observe(f func()) (stop func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	id := v.nextID
	v.nextID++
	v.observers[id] = f
	f()
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.observers, id)
	}
}

// Until returns when the condition holds. It is asked now and after changes. When ctx ends first, the error carries what
// the condition said last about what is missing.
func (v *View) Until(ctx context.Context, condition func() (done bool, missing string)) error {
	for {
		changed := v.nextChange()
		done, missing := condition()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", context.Cause(ctx), missing)
		}
	}
}

func (v *View) nextChange() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

// Pods returns the pods with the application's label that have not ended, in the order of their names.
func (v *View) Pods(app string) []*corev1.Pod {
	pods := items(v.pods, func(p *corev1.Pod) bool {
		return p.Labels[AppLabel] == app && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded
	})
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// ManagerPods returns the managers' pods. The view must be of ManagerNamespace.
func (v *View) ManagerPods() []*corev1.Pod {
	return items(v.pods, func(p *corev1.Pod) bool { return p.Labels["app.kubernetes.io/name"] == ManagerName })
}

// Leader returns the name of the manager's pod that leads, or "". The view must be of ManagerNamespace.
func (v *View) Leader() string {
	lease := item[coordinationv1.Lease](v.leases, ManagerName)
	if lease == nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	pod, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return pod
}

// Slices returns the EndpointSlices of a Service.
func (v *View) Slices(service string) []*discoveryv1.EndpointSlice {
	return items(v.slices, func(s *discoveryv1.EndpointSlice) bool {
		return s.Labels[discoveryv1.LabelServiceName] == service
	})
}

// Events returns the events about the object of that name.
func (v *View) Events(object string) []*corev1.Event {
	return items(v.events, func(e *corev1.Event) bool { return e.InvolvedObject.Name == object })
}

// CloneSet returns the CloneSet of that name, or nil.
func (v *View) CloneSet(name string) *appsv1beta1.CloneSet {
	return item[appsv1beta1.CloneSet](v.cloneSets, name)
}

// Deployment returns the Deployment of that name, or nil.
func (v *View) Deployment(name string) *appsv1.Deployment {
	return item[appsv1.Deployment](v.deployments, name)
}

// ServiceAccount returns the service account of that name, or nil.
func (v *View) ServiceAccount(name string) *corev1.ServiceAccount {
	return item[corev1.ServiceAccount](v.accounts, name)
}

// Generation returns the generation at which a CloneSet or Deployment is known, or 0 when it is not.
func (v *View) Generation(o client.Object) int64 {
	for _, store := range []toolscache.Store{v.cloneSets, v.deployments} {
		for _, known := range store.List() {
			if known := known.(client.Object); known.GetUID() == o.GetUID() {
				return known.GetGeneration()
			}
		}
	}
	return 0
}

// Pod returns the pod of that name, or nil.
func (v *View) Pod(name string) *corev1.Pod { return item[corev1.Pod](v.pods, name) }

func items[T any](store toolscache.Store, wanted func(*T) bool) []*T {
	var found []*T
	for _, object := range store.List() {
		if t, ok := object.(*T); ok && wanted(t) {
			found = append(found, t)
		}
	}
	return found
}

func item[T any](store toolscache.Store, name string) *T {
	found := items(store, func(t *T) bool { return any(t).(client.Object).GetName() == name })
	if len(found) == 0 {
		return nil
	}
	return found[0]
}
