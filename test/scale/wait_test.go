package scale

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// until watches one object until a condition holds, and nothing else: a client that watched all pods would take CPU from
// those that are measured.
func until[T client.Object](
	ctx context.Context, c client.WithWatch, list client.ObjectList, object T, condition func(T) (done bool, missing string),
) error {
	missing := "it is not there"
	_, err := watchtools.UntilWithSync(ctx, only(c, list, object), object, nil, func(e watch.Event) (bool, error) {
		current, ok := e.Object.(T)
		if !ok || e.Type == watch.Deleted {
			return false, nil
		}
		done, why := condition(current)
		missing = why
		return done, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, missing)
	}
	return nil
}

// only returns how to list and watch one object.
func only(c client.WithWatch, list client.ObjectList, object client.Object) *toolscache.ListWatch {
	options := func(raw metav1.ListOptions) *client.ListOptions {
		raw.FieldSelector = fields.OneTermEqualSelector("metadata.name", object.GetName()).String()
		return &client.ListOptions{Namespace: object.GetNamespace(), Raw: &raw}
	}
	fresh := func() client.ObjectList { return list.DeepCopyObject().(client.ObjectList) }
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
			found := fresh()
			return found, c.List(ctx, found, options(raw))
		},
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, fresh(), options(raw))
		},
	}
}

// untilGone waits until a namespace and all that was in it is gone, so that its end is not measured with what follows.
func untilGone(ctx context.Context, c client.WithWatch, list client.ObjectList, object client.Object) error {
	isGone := func(store toolscache.Store) (bool, error) { return len(store.List()) == 0, nil }
	_, err := watchtools.UntilWithSync(ctx, only(c, list, object), object, isGone, func(e watch.Event) (bool, error) {
		return e.Type == watch.Deleted, nil
	})
	return err
}
