package observe

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// newStores returns stores with the indexes of the manager's, and nothing in them.
func newStores() Stores {
	indexer := func(indexers toolscache.Indexers) toolscache.Indexer {
		return toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, indexers)
	}
	return Stores{
		Sets:      indexer(toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}),
		Pods:      indexer(toolscache.Indexers{ownerIndex: byOwner, orphanIndex: byNoOwner, uidIndex: byUID}),
		Claims:    indexer(toolscache.Indexers{claimIndex: byCloneSet}),
		Revisions: indexer(toolscache.Indexers{ownerIndex: byOwner, orphanIndex: byNoOwner}),
		Slices:    indexer(toolscache.Indexers{targetIndex: byTarget, serviceIndex: byService}),
		Budgets:   indexer(toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}),
	}
}

func cloneSet() *appsv1beta1.CloneSet {
	return &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: metav1.NamespaceDefault, UID: "uid-web"}}
}

// keyOfSet is the key of the CloneSet of these tests.
func keyOfSet() types.NamespacedName { return client.ObjectKeyFromObject(cloneSet()) }

// owned makes the pod one of the CloneSet of these tests.
func owned(pod *corev1.Pod) {
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: appsv1beta1.GroupVersion.String(), Kind: "CloneSet", Name: "web", UID: "uid-web", Controller: new(true),
	}}
}

// newObserver returns an observer of stores whose live reader is an API server with some objects.
func newObserver(t *testing.T, live ...client.Object) *Observer {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, appsv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return &Observer{
		Stores: newStores(), Tracker: NewTracker(), Clock: testclock.NewFakePassiveClock(testpods.Start()),
		Live: fake.NewClientBuilder().WithScheme(scheme).WithObjects(live...).Build(),
	}
}

// add puts an object into a store as an informer would.
func add(t *testing.T, store toolscache.Indexer, object any) {
	t.Helper()
	if err := store.Add(object); err != nil {
		t.Fatal(err)
	}
}

// failingReader cannot read.
type failingReader struct{ err error }

func (r failingReader) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return r.err
}

func (r failingReader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return r.err
}
