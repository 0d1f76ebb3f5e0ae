package framework

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// Starts returns the versions that the web server of a pod was started with, one in a line, if it records them.
func (c *Cluster) Starts(ctx context.Context, pod *corev1.Pod) (string, error) {
	body, err := c.ask(ctx, pod, mainPort, "/starts")
	return string(body), err
}

// ask sends a request to a pod, through the API server: nothing else reaches pods from here.
func (c *Cluster) ask(ctx context.Context, pod *corev1.Pod, port int, path string) ([]byte, error) {
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return nil, err
	}
	return clients.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").
		Name(fmt.Sprintf("%s:%d", pod.Name, port)).SubResource("proxy").
		Suffix(strings.TrimPrefix(path, "/")).DoRaw(ctx)
}
