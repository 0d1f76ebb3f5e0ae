package framework

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const balancerPort = 8080

// Balancer is a pod that stands for a load balancer outside of Kubernetes: it sends requests to the addresses that it is
// told of, and to no other.
type Balancer struct {
	cluster *Cluster
	pod     *corev1.Pod
}

// StartBalancer starts a load balancer without targets, of an image of the test application without a command, and returns
// when it serves. It goes on sending requests to a target for a second after it was told to let go of it.
func (c *Cluster) StartBalancer(ctx context.Context, v *View, namespace, image string) (*Balancer, error) {
	b := &Balancer{cluster: c, pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "balancer"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "balancer", Image: image, ReadinessProbe: probe("/targets", balancerPort),
			Args: []string{
				"balance", fmt.Sprintf("--listen=:%d", balancerPort), fmt.Sprintf("--target-port=%d", mainPort), "--linger=1s",
			},
		}}},
	}}
	if err := c.Client.Create(ctx, b.pod); err != nil {
		return nil, err
	}
	return b, v.Until(ctx, func() (bool, string) {
		pod := v.Pod(b.pod.Name)
		if pod == nil || !IsReady(pod) {
			return false, fmt.Sprintf("the load balancer does not serve: %s", describe(pod))
		}
		b.pod = pod
		return true, ""
	})
}

func (b *Balancer) address() string {
	return net.JoinHostPort(b.pod.Status.PodIP, fmt.Sprint(balancerPort))
}

// Targets returns the addresses that the load balancer sends requests to, sorted.
func (b *Balancer) Targets(ctx context.Context) ([]string, error) {
	body, err := b.cluster.ask(ctx, b.pod, balancerPort, "/targets")
	return strings.Fields(string(body)), err
}

// Serve makes the load balancer reachable from here, where pods are not: it returns a URL that leads to it through the API
// server, until stop is called.
func (b *Balancer) Serve() (base string, stop func(), err error) {
	server, err := url.Parse(b.cluster.Config.Host)
	if err != nil {
		return "", nil, err
	}
	transport, err := rest.TransportFor(b.cluster.Config)
	if err != nil {
		return "", nil, err
	}
	server.Path = fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy", b.pod.Namespace, b.pod.Name, balancerPort)
	local := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) }, Transport: transport,
	})
	return local.URL, local.Close, nil
}
