package scale

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	app = "web"
	// maxUnavailable is the share of the pods that may be out of service.
	maxUnavailable = "20%"
	// stepTimeout bounds the creation, the rollout and the deletion of one workload.
	stepTimeout = 15 * time.Minute
	// terminationSeconds is the pods' terminationGracePeriodSeconds.
	terminationSeconds = 1
)

// kind is a kind of workload: how to make it and its new version, and how to tell when it is complete.
type kind struct {
	name string
	// component is the process that its controller runs in.
	component string
	// isController tells whether its controller made a request.
	isController func(*framework.Request) bool
	object       func(*framework.Workload) client.Object
	template     func(client.Object) *corev1.PodTemplateSpec
	untilDone    func(context.Context, client.WithWatch, client.Object) error
}

var cloneSet = kind{
	name: "CloneSet", component: framework.ManagerName, isController: isManager,
	object:   func(w *framework.Workload) client.Object { return w.CloneSet() },
	template: func(o client.Object) *corev1.PodTemplateSpec { return &o.(*appsv1beta1.CloneSet).Spec.Template },
	untilDone: func(ctx context.Context, c client.WithWatch, o client.Object) error {
		return until(ctx, c, &appsv1beta1.CloneSetList{}, o.(*appsv1beta1.CloneSet), framework.CloneSetComplete)
	},
}

var deployment = kind{
	name: "Deployment", component: "kube-controller-manager", isController: isDeploymentController,
	object:   func(w *framework.Workload) client.Object { return w.Deployment() },
	template: func(o client.Object) *corev1.PodTemplateSpec { return &o.(*appsv1.Deployment).Spec.Template },
	untilDone: func(ctx context.Context, c client.WithWatch, o client.Object) error {
		return until(ctx, c, &appsv1.DeploymentList{}, o.(*appsv1.Deployment), framework.DeploymentComplete)
	},
}

// trial is one workload, and the processes that are measured while its pods are updated.
type trial struct {
	kind
	cluster   *framework.Cluster
	processes processes
	namespace string
	object    client.Object
}

// run makes a workload of that many pods, measures its update, and takes it away again.
func (k kind) run(ctx context.Context, c *framework.Cluster, p processes, pods int) (measurement, error) {
	namespace, err := newNamespace(ctx, c)
	if err != nil {
		return measurement{}, err
	}
	t := &trial{kind: k, cluster: c, processes: p, namespace: namespace}
	if err := t.create(ctx, pods); err != nil {
		return measurement{}, fmt.Errorf("creating %d pods of a %s: %w", pods, k.name, err)
	}
	m, err := t.measure(ctx, pods)
	if err != nil {
		return m, fmt.Errorf("updating %d pods of a %s: %w", pods, k.name, err)
	}
	if err := t.delete(ctx); err != nil {
		return m, fmt.Errorf("deleting %d pods of a %s: %w", pods, k.name, err)
	}
	return m, nil
}

// newNamespace returns a namespace in which pods can be created.
func newNamespace(ctx context.Context, c *framework.Cluster) (string, error) {
	ctx, stopView := context.WithCancel(ctx)
	defer stopView()
	namespace, _, err := c.NewNamespace(ctx, "bench")
	return namespace, err
}

// create makes a workload with a Service over all its pods.
func (t *trial) create(ctx context.Context, pods int) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	workload := &framework.Workload{
		Name: app, Namespace: t.namespace, Replicas: int32(pods), MaxUnavailable: intstr.FromString(maxUnavailable),
		Image: "registry.invalid/web:v1", SidecarImage: "registry.invalid/proxy:v1", HelperImage: "registry.invalid/tools:v1",
	}
	if err := t.cluster.Client.Create(ctx, workload.Service()); err != nil {
		return err
	}
	t.object = t.kind.object(workload)
	// A namespace is looked at again only when the pods in it are due to end.
	t.template(t.object).Spec.TerminationGracePeriodSeconds = new(int64(terminationSeconds))
	if err := t.cluster.Client.Create(ctx, t.object); err != nil {
		return err
	}
	return t.untilDone(ctx, t.cluster.Client, t.object)
}

// measure changes the image of the main container and measures until all pods have it.
func (t *trial) measure(ctx context.Context, pods int) (measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	before, err := t.uids(ctx)
	if err != nil {
		return measurement{}, err
	}
	meter, err := startMeter(t)
	if err != nil {
		return measurement{}, err
	}
	if err := t.changeImage(ctx); err != nil {
		return measurement{}, err
	}
	if err := t.untilDone(ctx, t.cluster.Client, t.object); err != nil {
		return measurement{}, err
	}
	m, err := meter.stop(pods)
	if err != nil {
		return m, err
	}
	after, err := t.uids(ctx)
	m.SamePods = before.Intersection(after).Len()
	return m, err
}

func (t *trial) changeImage(ctx context.Context) error {
	before := t.object.DeepCopyObject().(client.Object)
	t.template(t.object).Spec.Containers[0].Image = "registry.invalid/web:v2"
	return t.cluster.Client.Patch(ctx, t.object, client.MergeFrom(before))
}

// uids returns the UIDs of all pods that are not terminating.
func (t *trial) uids(ctx context.Context) (sets.Set[types.UID], error) {
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := t.cluster.Client.List(ctx, pods, client.InNamespace(t.namespace)); err != nil {
		return nil, err
	}
	uids := sets.New[types.UID]()
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil && !inplace.IsRehearsal(&pods.Items[i]) {
			uids.Insert(pods.Items[i].UID)
		}
	}
	return uids, nil
}

func (t *trial) delete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := t.cluster.DeleteNamespace(ctx, t.namespace); err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}
	return untilGone(ctx, t.cluster.Client, &corev1.NamespaceList{}, namespace)
}
