package kubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// SimulatorOptions describe the nodes that a Simulator plays.
type SimulatorOptions struct {
	Options
	// Nodes is how many there are, at least one.
	Nodes int
	// NamePrefix begins the names of the nodes; empty means "sim". Two simulators of one cluster need different ones.
	NamePrefix string
	// Writers is how many writes are sent at a time; 0 means 16.
	Writers int
	// Clock is what time goes by; nil means the real one.
	Clock clock.WithTicker
}

// RestartTiming returns the Timing of a kubelet whose restart of a container, from seeing the new image to reporting the
// new container, takes that long, and whose sandboxes take startDelay. All other delays come from the API server.
func RestartTiming(restart, startDelay time.Duration) Timing {
	return Timing{
		Status: 5 * time.Millisecond, Sandbox: startDelay,
		Stop: restart / 4, Start: restart / 2, Relist: restart / 4, Retry: time.Second,
	}
}

// ClientConfig returns a copy of a client configuration fit for a Simulator: protobuf, and no throttling of its own.
func ClientConfig(config *rest.Config) *rest.Config {
	own := rest.CopyConfig(config)
	own.UserAgent = "insitu-simulated-kubelet"
	own.QPS = -1
	own.ContentType = "application/vnd.kubernetes.protobuf"
	own.AcceptContentTypes = own.ContentType + ",application/json"
	return own
}

// Simulator plays nodes and their kubelets against a real API server. One goroutine runs the model for all pods; what it
// says is written by a few others. Statuses of one pod that wait for a writer are merged into the newest.
//
// Pods that ran under an earlier simulator with the same nodes go on running, as they do when a kubelet restarts.
type Simulator struct {
	opts   SimulatorOptions
	client kubernetes.Interface

	line    timeline
	nodes   map[string]*node
	workers map[types.UID]*worker
	ips     uint64
	taken   map[string]bool // the addresses of pods

	inbox  *inbox
	writer *writer
}

// NewSimulator returns a simulator that does nothing until it is run.
func NewSimulator(client kubernetes.Interface, opts SimulatorOptions) *Simulator {
	if opts.NamePrefix == "" {
		opts.NamePrefix = "sim"
	}
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	s := &Simulator{
		opts: opts, client: client,
		nodes: map[string]*node{}, workers: map[types.UID]*worker{},
		taken: map[string]bool{}, inbox: newInbox(), writer: newWriter(client),
	}
	for i := range max(opts.Nodes, 1) {
		name := fmt.Sprintf("%s-%d", opts.NamePrefix, i)
		s.nodes[name] = &node{name: name, hostIP: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), images: newImageStore()}
	}
	return s
}

// Run registers the nodes and plays them until the context ends; that is no error. The nodes stay registered, and turn
// unready when their leases expire.
func (s *Simulator) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	err := s.register(ctx)
	if err == nil {
		err = s.watch(ctx, &running)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	running.Go(func() { s.renewLeases(ctx) })
	for range orDefault(s.opts.Writers, 16) {
		running.Go(func() { s.writer.run(ctx) })
	}
	running.Go(func() { <-ctx.Done(); s.writer.stop() })
	s.loop(ctx)
	return nil
}

func orDefault(n, usual int) int {
	if n > 0 {
		return n
	}
	return usual
}

// watch fills the inbox with the pods of our nodes. It returns when all that exist are in it.
func (s *Simulator) watch(ctx context.Context, running *sync.WaitGroup) error {
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
		}),
		informers.WithTransform(withoutManagedFields))
	informer := factory.Core().V1().Pods().Informer()
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s.receive(obj, false) },
		UpdateFunc: func(_, obj any) { s.receive(obj, false) },
		DeleteFunc: func(obj any) { s.receive(obj, true) },
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	running.Go(func() { informer.Run(ctx.Done()) })
	if !cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		return fmt.Errorf("watch pods: %w", ctx.Err())
	}
	return nil
}

// withoutManagedFields takes out what is half of a pod and of no use to a kubelet.
func withoutManagedFields(obj any) (any, error) {
	if pod, ok := obj.(*corev1.Pod); ok {
		pod.ManagedFields = nil
	}
	return obj, nil
}

func (s *Simulator) receive(obj any, deleted bool) {
	if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = last.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if ok && s.nodes[pod.Spec.NodeName] != nil {
		s.inbox.put(pod, deleted)
	}
}

// loop runs the model: whatever is due, then whatever came in.
func (s *Simulator) loop(ctx context.Context) {
	timer := s.opts.Clock.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		case <-s.inbox.filled:
		}
		s.catchUp(s.opts.Clock.Now())
		letters := s.inbox.take()
		for _, l := range letters {
			s.taken[l.pod.Status.PodIP] = true
		}
		for _, l := range letters {
			s.deliver(l)
		}
		if due, ok := s.line.next(); ok {
			timer.Reset(max(due.Sub(s.opts.Clock.Now()), 0))
		}
	}
}

// catchUp runs what is due by now.
func (s *Simulator) catchUp(now time.Time) {
	for {
		due, ok := s.line.next()
		if !ok || due.After(now) {
			break
		}
		s.line.pop()()
	}
	s.line.now = now
}

func (s *Simulator) deliver(l letter) {
	w := s.workers[l.pod.UID]
	if l.deleted {
		if w != nil {
			w.leaves()
			delete(s.taken, w.ip)
			delete(s.workers, l.pod.UID)
		}
		return
	}
	if w == nil {
		w = newWorker(&s.opts.Options, s.nodes[l.pod.Spec.NodeName], &s.line, s.writer, l.pod, s.freeIP(l.pod))
		s.workers[l.pod.UID] = w
	}
	w.observe(l.pod)
}

// freeIP finds an address for a pod that has none yet.
func (s *Simulator) freeIP(pod *corev1.Pod) string {
	if pod.Status.PodIP != "" {
		return pod.Status.PodIP
	}
	for {
		s.ips++
		if ip := podIP(s.ips); !s.taken[ip] {
			s.taken[ip] = true
			return ip
		}
	}
}
