package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/kubelet"
	"github.com/insitu-dev/insitu/test/kubelet/scenarios"
)

// What the model kubelet shows of a pod, the real one shows too, in the same order. Only what was overtaken before it was
// sent may be missing.
func TestRealKubeletShowsWhatTheModelDoes(t *testing.T) {
	skipOlderKubelet(t)
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			stage := newRealNode(t)
			record := s.Run(t, stage)
			if missing := scenarios.Compare(s.Shows, record, true); missing != "" {
				t.Error(missing)
			}
		})
	}
}

// skipOlderKubelet skips a test on a kubelet that is older than the one that the model is a model of: it reports no
// generation, or tries again at other times.
func skipOlderKubelet(t *testing.T) {
	t.Helper()
	nodes := &corev1.NodeList{}
	if err := cluster(t).Client.List(t.Context(), nodes); err != nil || len(nodes.Items) == 0 {
		t.Fatalf("no node: %v", err)
	}
	is := version.MustParseSemantic(nodes.Items[0].Status.NodeInfo.KubeletVersion)
	if modelled := version.MustParseSemantic(kubelet.Version); is.LessThan(modelled.WithPatch(0)) {
		t.Skipf("the model is that of kubelet %s, this is %s", modelled, is)
	}
}

// realNode is a stage with a real kubelet.
type realNode struct {
	ctx      context.Context
	client   client.WithWatch
	pod      *corev1.Pod
	versions watch.Interface
}

// newRealNode returns a stage for one pod, in a namespace of its own.
func newRealNode(t *testing.T) *realNode {
	t.Helper()
	c := cluster(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), testTimeout, errors.New("the scenario took too long"))
	t.Cleanup(cancel)
	namespace, _, err := c.NewNamespace(ctx, "scenario")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.DeleteNamespace(context.WithoutCancel(ctx), namespace); err != nil {
			t.Errorf("delete the namespace: %v", err)
		}
	})
	return &realNode{ctx: ctx, client: c.Client, pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}}
}

func (n *realNode) Create(pod *corev1.Pod) error {
	pod.Namespace = n.pod.Namespace
	n.pod = pod
	if err := n.client.Create(n.ctx, pod); err != nil {
		return err
	}
	var err error
	n.versions, err = n.client.Watch(n.ctx, &corev1.PodList{}, &client.ListOptions{
		Namespace: pod.Namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", pod.Name),
		// All versions from the very first one.
		Raw: &metav1.ListOptions{ResourceVersion: pod.ResourceVersion},
	})
	return err
}

func (n *realNode) Patch(patch []byte, subresource string) error {
	change := client.RawPatch(types.StrategicMergePatchType, patch)
	if subresource != "" {
		return n.client.SubResource(subresource).Patch(n.ctx, n.pod.DeepCopy(), change)
	}
	return n.client.Patch(n.ctx, n.pod.DeepCopy(), change)
}

func (n *realNode) Delete() error { return n.client.Delete(n.ctx, n.pod.DeepCopy()) }

func (n *realNode) Next() (*corev1.Pod, time.Time, error) {
	select {
	case <-n.ctx.Done():
		return nil, time.Time{}, context.Cause(n.ctx)
	case event := <-n.versions.ResultChan():
		switch pod, ok := event.Object.(*corev1.Pod); {
		case !ok:
			return nil, time.Time{}, fmt.Errorf("the watch ended: %+v", event)
		case event.Type == watch.Deleted:
			return nil, time.Now(), nil
		default:
			return pod, time.Now(), nil
		}
	}
}

// scenarioImages returns the images that the scenarios need.
func scenarioImages() []framework.Image {
	var images []framework.Image
	for _, i := range scenarios.Images() {
		images = append(images, framework.Image{
			Ref: strings.TrimPrefix(i.Ref, framework.Registry+"/"), Version: i.Version, Command: i.Command,
		})
	}
	return images
}
