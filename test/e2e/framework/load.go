package framework

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/load"
)

const loadPort = 8081

// Load is a pod that sends requests to a Service from inside the cluster, where its cluster IP can be reached.
type Load struct {
	cluster *Cluster
	pod     *corev1.Pod
	start   load.Report
}

// LoadOptions describes a load.
type LoadOptions struct {
	// Image is the full reference of an image of the test application without a command.
	Image string
	// Rate is the number of requests a second with a new connection for each, KeptRate that over kept-alive connections.
	Rate, KeptRate int
}

// StartLoad starts a load on the Service and returns when its requests are answered. They count from then on.
func (c *Cluster) StartLoad(ctx context.Context, v *View, service *corev1.Service, o LoadOptions) (*Load, error) {
	return c.startLoad(ctx, v, loadPod(service, service.Spec.ClusterIP, o), o)
}

// StartLoadOnBalancer does the same on a load balancer.
func (c *Cluster) StartLoadOnBalancer(ctx context.Context, v *View, b *Balancer, o LoadOptions) (*Load, error) {
	return c.startLoad(ctx, v, loadPod(b.pod, b.address(), o), o)
}

func (c *Cluster) startLoad(ctx context.Context, v *View, pod *corev1.Pod, o LoadOptions) (*Load, error) {
	l := &Load{cluster: c, pod: pod}
	if err := c.Client.Create(ctx, l.pod); err != nil {
		return nil, err
	}
	err := v.Until(ctx, func() (bool, string) {
		pod := v.Pod(l.pod.Name)
		return pod != nil && IsReady(pod), fmt.Sprintf("the load is not being sent: %s", describe(pod))
	})
	if err != nil {
		return nil, err
	}
	return l, l.untilAnswered(ctx, o.Rate)
}

// untilAnswered returns when all requests of a second and a half were answered. kube-proxy may follow the endpoints of a
// new Service a second late, and refuses connections until then; that is no fault of what is measured.
func (l *Load) untilAnswered(ctx context.Context, rate int) error {
	for {
		var err error
		if l.start, err = l.total(ctx); err != nil {
			return err
		}
		if err := l.UntilSent(ctx, int64(rate)*3/2); err != nil {
			return err
		}
		report, err := l.Report(ctx)
		if err != nil || report.NewConnections.Failed+report.KeptAlive.Failed == 0 {
			return err
		}
	}
}

// Report returns what was counted since the start.
func (l *Load) Report(ctx context.Context) (load.Report, error) {
	total, err := l.total(ctx)
	return total.Since(l.start), err
}

// UntilSent returns when so many requests with a new connection were sent since the start. Counts cannot be watched, so
// it asks again and again.
func (l *Load) UntilSent(ctx context.Context, requests int64) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		report, err := l.Report(ctx)
		if err != nil || report.NewConnections.Requests >= requests {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the load has sent %d requests", ctx.Err(), report.NewConnections.Requests)
		}
	}
}

// Stop ends the load at once.
func (l *Load) Stop(ctx context.Context) error {
	return l.cluster.Client.Delete(ctx, l.pod, client.GracePeriodSeconds(0))
}

func (l *Load) total(ctx context.Context) (load.Report, error) {
	body, err := l.cluster.ask(ctx, l.pod, loadPort, load.StatsPath)
	if err != nil {
		return load.Report{}, fmt.Errorf("read the load's counts: %w", err)
	}
	var report load.Report
	return report, json.Unmarshal(body, &report)
}

func loadPod(on metav1.Object, address string, o LoadOptions) *corev1.Pod {
	stats := probe(load.StatsPath, loadPort)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: on.GetName() + "-load", Namespace: on.GetNamespace()},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "load", Image: o.Image, ReadinessProbe: stats,
			Args: []string{
				"load", fmt.Sprintf("--target=http://%s/", address), fmt.Sprintf("--listen=:%d", loadPort),
				fmt.Sprintf("--rate=%d", o.Rate), fmt.Sprintf("--kept-rate=%d", o.KeptRate),
			},
		}}},
	}
}
