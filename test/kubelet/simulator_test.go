package kubelet

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
)

// simulated is a running simulator and a watch of the pods that it plays.
type simulated struct {
	t      *testing.T
	client *fake.Clientset
	pods   watch.Interface
}

func simulate(t *testing.T) *simulated {
	t.Helper()
	s := &simulated{t: t, client: fake.NewClientset()}
	var err error
	if s.pods, err = s.client.CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pods.Stop)
	return s
}

// run starts a simulator, and returns a function that stops it.
func (s *simulated) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		options := Options{Images: knownImages, Timing: RestartTiming(20*time.Millisecond, 0)}
		if err := NewSimulator(s.client, SimulatorOptions{Options: options, Nodes: 2}).Run(ctx); err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	s.t.Cleanup(stop)
	return stop
}

// create adds a pod that is bound already.
func (s *simulated) create(name string) {
	s.t.Helper()
	pod := withGate(webPod("app:v1"))
	pod.Name, pod.Namespace, pod.UID, pod.Generation, pod.Spec.NodeName = name, "default", types.UID(name), 1, "sim-1"
	pod.Status.Conditions = []corev1.PodCondition{{Type: gate, Status: corev1.ConditionTrue}}
	if _, err := s.client.CoreV1().Pods("default").Create(s.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// until waits for a version of the pod that is as wanted.
func (s *simulated) until(what string, wanted func(watch.EventType, *corev1.Pod) bool) *corev1.Pod {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	var last *corev1.Pod
	for {
		select {
		case e := <-s.pods.ResultChan():
			if last = e.Object.(*corev1.Pod); wanted(e.Type, last) {
				return last
			}
		case <-timeout:
			s.t.Fatalf("it never came to pass that %s; the pod is %v", what, last)
		}
	}
}

func (s *simulated) update(change func(*corev1.Pod)) {
	s.t.Helper()
	pods := s.client.CoreV1().Pods("default")
	pod, err := pods.Get(s.t.Context(), "web-0", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	change(pod)
	if _, err := pods.Update(s.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func isReady(_ watch.EventType, pod *corev1.Pod) bool {
	return conditionStatus(pod.Status.Conditions, corev1.PodReady) == corev1.ConditionTrue
}

func TestSimulatorPlaysPods(t *testing.T) {
	s := simulate(t)
	s.run()
	s.create("web-0")
	first := s.until("the pod is ready", isReady).Status
	if conditionStatus(first.Conditions, gate) != corev1.ConditionTrue {
		t.Error("the gate was lost")
	}
	s.update(func(p *corev1.Pod) { p.Generation, p.Spec.Containers[0].Image = 2, "app:v2" })
	restarted := s.until("the new container is ready", func(e watch.EventType, p *corev1.Pod) bool {
		return isReady(e, p) && p.Status.ContainerStatuses[0].RestartCount == 1
	})
	if got := restarted.Status; got.ObservedGeneration != 2 || got.ContainerStatuses[0].ContainerID == first.ContainerStatuses[0].ContainerID {
		t.Errorf("the status is %v", got)
	}
	s.update(func(p *corev1.Pod) {
		now := metav1.Now()
		p.Generation, p.DeletionTimestamp, p.DeletionGracePeriodSeconds = 3, &now, new(int64)
	})
	s.until("the pod is gone", func(e watch.EventType, _ *corev1.Pod) bool { return e == watch.Deleted })
}

// Containers outlive the simulator that started them, and one that comes later replaces them when it is told to.
func TestSimulatorRestarts(t *testing.T) {
	s := simulate(t)
	stop := s.run()
	s.create("web-1")
	s.until("the first pod is ready", isReady)
	s.create("web-0")
	before := s.ready("web-0", 0)
	stop()
	s.update(func(p *corev1.Pod) { p.Generation, p.Spec.Containers[0].Image = 2, "app:v2" })
	s.run()
	after := s.ready("web-0", 1)
	if after.Status.PodIP != before.Status.PodIP {
		t.Errorf("the pod's IP was %s and is %s", before.Status.PodIP, after.Status.PodIP)
	}
	old, current := before.Status.ContainerStatuses[0].ContainerID, after.Status.ContainerStatuses[0]
	if last := current.LastTerminationState.Terminated; last == nil || last.ContainerID != old || current.ContainerID == old {
		t.Errorf("the container is %v; want a new one after %s", current, old)
	}
}

// A simulator gives out no address that a pod has from an earlier one.
func TestSimulatorKeepsAddresses(t *testing.T) {
	s := simulate(t)
	stop := s.run()
	s.create("web-0")
	old := s.ready("web-0", 0).Status.PodIP
	stop()
	s.run()
	s.create("web-1")
	if next := s.ready("web-1", 0).Status.PodIP; next == old {
		t.Errorf("two pods have the address %s", next)
	}
}

// ready waits until the pod is ready after that many restarts.
func (s *simulated) ready(name string, restarts int32) *corev1.Pod {
	s.t.Helper()
	return s.until(name+" is ready", func(e watch.EventType, p *corev1.Pod) bool {
		return p.Name == name && isReady(e, p) && p.Status.ContainerStatuses[0].RestartCount == restarts
	})
}

func TestSimulatorRegistersNodes(t *testing.T) {
	client := fake.NewClientset()
	for range 2 { // the second time the nodes are there already
		s := NewSimulator(client, SimulatorOptions{Nodes: 3})
		if err := s.register(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: SimulatedLabel + "=true"})
	if err != nil || len(nodes.Items) != 3 || nodes.Items[0].Status.Conditions[0].Status != corev1.ConditionTrue {
		t.Errorf("the nodes are %v, %v", nodes, err)
	}
	leases, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(leases.Items) != 3 {
		t.Errorf("the leases are %v, %v", leases, err)
	}
}

// A status patch replaces what a kubelet owns, takes away old reasons and keeps the conditions of others.
func TestStatusPatch(t *testing.T) {
	got := patchStatus(t, corev1.PodStatus{
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ReadinessGatesNotReady", Message: "not yet"},
			{Type: gate, Status: corev1.ConditionTrue, Reason: "Updated"},
		},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "web", RestartCount: 1}},
	}, corev1.PodStatus{
		Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "web", RestartCount: 2}},
	})
	want := corev1.PodStatus{
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			{Type: gate, Status: corev1.ConditionTrue, Reason: "Updated"},
		},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "web", RestartCount: 2}},
	}
	if !apiequality.Semantic.DeepEqual(got.Status, want) || got.UID != "u1" {
		t.Errorf("UID %s, status %v; want %v", got.UID, got.Status, want)
	}
}

// patchStatus applies the patch for a status to a pod as an API server does.
func patchStatus(t *testing.T, have, reported corev1.PodStatus) corev1.Pod {
	t.Helper()
	patch, err := statusPatch("u1", &reported)
	if err != nil {
		t.Fatal(err)
	}
	original, err := json.Marshal(corev1.Pod{Status: have})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, corev1.Pod{})
	if err != nil {
		t.Fatal(err)
	}
	var got corev1.Pod
	if err := json.Unmarshal(merged, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
