package framework

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	// AppLabel selects the pods of a Workload.
	AppLabel = "app"

	// MainContainer is the name of the web server's container.
	MainContainer = "web"
	// Sidecar is the name of the native sidecar.
	Sidecar = "proxy"

	// HelperContainer is the name of the container beside the web server.
	HelperContainer = "helper"
	// InitContainer is the name of the ordinary init container.
	InitContainer = "init"

	// terminationGracePeriodSeconds is more than the programs take to end. By an older kubelet, a restart to the same image
	// under another tag is waited for at least that long.
	terminationGracePeriodSeconds = 5

	mainPort    = 8080
	sidecarPort = 9090
	helperPort  = 9091
)

// Workload describes pods with a web server, a helper container, a native sidecar and an init container behind a Service
// of the same name, whatever kind of object keeps them.
type Workload struct {
	Name, Namespace string
	Replicas        int32
	// Image is the web server's, SidecarImage the native sidecar's, and HelperImage that of the helper and of the init
	// container. All are full references.
	Image, SidecarImage, HelperImage string
	// InitWork is how long the init container works, SidecarStartup how long the sidecar starts, and ReadyDelay how long
	// after its start the server is ready.
	InitWork, SidecarStartup, ReadyDelay time.Duration
	// GracePeriodSeconds is the CloneSet's, and the length of the Deployment's preStop sleep.
	GracePeriodSeconds int32
	MaxUnavailable     intstr.IntOrString
	// Env is the web server's, and Requests are what it asks for.
	Env      []corev1.EnvVar
	Requests corev1.ResourceList
	// PullPolicy is the web server's.
	PullPolicy corev1.PullPolicy
	// PullSecret is the name of the Secret by which images are pulled, if there is one.
	PullSecret string
}

// CloneSet returns the workload as a CloneSet.
func (w *Workload) CloneSet() *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{ObjectMeta: w.meta()}
	set.Spec.Replicas = &w.Replicas
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: w.labels()}
	set.Spec.Template = w.Template()
	set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = &w.MaxUnavailable
	set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.GracePeriodSeconds = &w.GracePeriodSeconds
	return set
}

// Deployment returns the workload as a Deployment that is updated under the same terms as the CloneSet: as many pods
// unavailable, none in surplus, and as much time for the Service to forget a pod.
func (w *Workload) Deployment() *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: w.meta()}
	d.Spec.Replicas = &w.Replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: w.labels()}
	d.Spec.Template = w.Template()
	d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{
		MaxUnavailable: &w.MaxUnavailable, MaxSurge: new(intstr.FromInt32(0)),
	}
	if w.GracePeriodSeconds > 0 {
		d.Spec.Template.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
			Sleep: &corev1.SleepAction{Seconds: int64(w.GracePeriodSeconds)},
		}}
	}
	return d
}

// Service returns the Service over the workload's pods.
func (w *Workload) Service() *corev1.Service {
	return &corev1.Service{ObjectMeta: w.meta(), Spec: corev1.ServiceSpec{
		Selector: w.labels(),
		Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(mainPort)}},
	}}
}

// Template returns the pod template.
func (w *Workload) Template() corev1.PodTemplateSpec {
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: w.labels()},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{w.initContainer(), w.sidecar()},
			Containers:     []corev1.Container{w.mainContainer(), w.helper()},

			TerminationGracePeriodSeconds: new(int64(terminationGracePeriodSeconds)),
		},
	}
	if w.PullSecret != "" {
		template.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: w.PullSecret}}
	}
	return template
}

func (w *Workload) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: w.labels()}
}

func (w *Workload) labels() map[string]string { return map[string]string{AppLabel: w.Name} }

func (w *Workload) mainContainer() corev1.Container {
	return corev1.Container{
		Name: MainContainer, Image: w.Image, ImagePullPolicy: w.PullPolicy, Env: w.Env,
		Args:           []string{"--ready-delay=" + w.ReadyDelay.String(), fmt.Sprintf("--listen=:%d", mainPort)},
		ReadinessProbe: probe("/readyz", mainPort),
		Resources:      corev1.ResourceRequirements{Requests: w.Requests},
	}
}

func (w *Workload) helper() corev1.Container {
	return corev1.Container{
		Name: HelperContainer, Image: w.HelperImage,
		Args: []string{"sidecar", fmt.Sprintf("--listen=:%d", helperPort)},
	}
}

func (w *Workload) sidecar() corev1.Container {
	return corev1.Container{
		Name: Sidecar, Image: w.SidecarImage, RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
		Args: []string{
			"sidecar", "--startup-delay=" + w.SidecarStartup.String(), fmt.Sprintf("--listen=:%d", sidecarPort),
		},
		StartupProbe: probe("/startupz", sidecarPort),
	}
}

func (w *Workload) initContainer() corev1.Container {
	return corev1.Container{
		Name: InitContainer, Image: w.HelperImage, Args: []string{"init", "--work=" + w.InitWork.String()},
	}
}

// probe asks every second, and allows for half a minute.
func probe(path string, port int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)},
		},
		PeriodSeconds: 1, FailureThreshold: 30,
	}
}
