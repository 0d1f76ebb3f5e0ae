package framework

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NewNamespace makes a namespace whose name begins with prefix, and returns its name and a view of it when pods can be
// created there.
func (c *Cluster) NewNamespace(ctx context.Context, prefix string) (string, *View, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	if err := c.Client.Create(ctx, ns); err != nil {
		return "", nil, err
	}
	v, err := c.NewView(ctx, ns.Name)
	if err != nil {
		return "", nil, err
	}
	return ns.Name, v, v.Until(ctx, func() (bool, string) {
		return v.ServiceAccount("default") != nil, "the namespace has no default service account"
	})
}

// DeleteNamespace deletes the namespace and does not wait for its end.
func (c *Cluster) DeleteNamespace(ctx context.Context, name string) error {
	return c.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}
