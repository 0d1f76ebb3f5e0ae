package kubelet

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

const (
	// SimulatedLabel is "true" on nodes that a Simulator plays.
	SimulatedLabel = "insitu.dev/simulated"
	// Version is that of the kubelet that the model is a model of.
	Version = "v1.36.3"

	leaseSeconds = 40
	leaseRenewal = 10 * time.Second
)

// register creates the nodes and their leases, or takes over those of an earlier run.
func (s *Simulator) register(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if err := s.registerNode(ctx, s.nodes[name]); err != nil {
			return fmt.Errorf("register node %s: %w", name, err)
		}
		if err := s.renewLease(ctx, name); err != nil {
			return fmt.Errorf("create the lease of node %s: %w", name, err)
		}
	}
	return nil
}

func (s *Simulator) registerNode(ctx context.Context, n *node) error {
	nodes := s.client.CoreV1().Nodes()
	wanted := s.nodeObject(n)
	_, err := nodes.Create(ctx, wanted, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := nodes.Get(ctx, n.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	have.Status = wanted.Status
	_, err = nodes.UpdateStatus(ctx, have, metav1.UpdateOptions{})
	return err
}

// nodeObject describes a node that has room for everything.
func (s *Simulator) nodeObject(n *node) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("1000"),
		corev1.ResourceMemory: resource.MustParse("4Ti"),
		corev1.ResourcePods:   resource.MustParse("10000"),
	}
	now := apiTime(s.opts.Clock.Now())
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{
			SimulatedLabel: "true", corev1.LabelHostname: n.name,
			corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
		}},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.hostIP}, {Type: corev1.NodeHostName, Address: n.name}},
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
				LastHeartbeatTime: now, LastTransitionTime: now,
			}},
			NodeInfo: corev1.NodeSystemInfo{OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH, KubeletVersion: Version},
		},
	}
}

// renewLeases keeps the nodes alive. A renewal that fails is logged and tried again with the next one.
func (s *Simulator) renewLeases(ctx context.Context) {
	ticker := s.opts.Clock.NewTicker(leaseRenewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		for name := range s.nodes {
			if err := s.renewLease(ctx, name); err != nil && ctx.Err() == nil {
				utilruntime.HandleErrorWithContext(ctx, err, "Cannot renew the lease of a node", "node", name)
			}
		}
	}
}

func (s *Simulator) renewLease(ctx context.Context, node string) error {
	leases := s.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NewMicroTime(s.opts.Clock.Now())
	lease, err := leases.Get(ctx, node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		seconds := int32(leaseSeconds)
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: node, Namespace: corev1.NamespaceNodeLease},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &node, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
