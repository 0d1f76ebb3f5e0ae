package main

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// workload is a kind of object that keeps the demo's pods.
type workload interface {
	kind() string
	// object returns the object to create, and after it was created the one to update.
	object(w *framework.Workload) client.Object
	// setImage sets the web server's image in an object of this kind.
	setImage(o client.Object, image string)
	// complete says whether the object's rollout has ended, or what its status says instead.
	complete(v *framework.View, name string) (bool, string)
}

type cloneSet struct{}

func (cloneSet) kind() string                               { return "CloneSet" }
func (cloneSet) object(w *framework.Workload) client.Object { return w.CloneSet() }

func (cloneSet) setImage(o client.Object, image string) {
	o.(*appsv1beta1.CloneSet).Spec.Template.Spec.Containers[0].Image = image
}

func (cloneSet) complete(v *framework.View, name string) (bool, string) {
	return framework.CloneSetComplete(v.CloneSet(name))
}

type deployment struct{}

func (deployment) kind() string                               { return "Deployment" }
func (deployment) object(w *framework.Workload) client.Object { return w.Deployment() }

func (deployment) setImage(o client.Object, image string) {
	o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = image
}

func (deployment) complete(v *framework.View, name string) (bool, string) {
	return framework.DeploymentComplete(v.Deployment(name))
}
