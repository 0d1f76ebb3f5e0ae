package scenarios

import (
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/insitu-dev/insitu/test/kubelet"
)

const (
	gate = corev1.PodConditionType("InPlaceUpdateReady")

	web, proxy, helper, setup = "web", "proxy", "helper", "setup"

	registry = "127.0.0.1:5000/"
	webPort  = 8080
)

// The images, by what is special about them. Pulling one of a repository slow<N>s/ takes N seconds or more, once for each
// repository, so that each of them is used by one scenario only.
const (
	webV1      = registry + "scenarios/web:v1"
	webV1Again = registry + "scenarios/web:v1-again"
	webV2      = registry + "scenarios/web:v2"
	webV3      = registry + "scenarios/web:v3"
	webCrash   = registry + "scenarios/web:crash"
	webMissing = registry + "scenarios/web:missing"
	toolsV1    = registry + "scenarios/tools:v1"
	toolsV2    = registry + "scenarios/tools:v2"
)

// relist is how long it takes on average until a kubelet notices that a program has ended: it looks once a second.
const relist = 700 * time.Millisecond

// slowPull is the N of the slow repositories.
const slowPull = 5 * time.Second

// slow returns an image that takes long to pull, of a repository of its own.
func slow(repository string) string { return registry + "slow5s/" + repository + ":v1" }

// Image is an image that the scenarios need.
type Image struct {
	// Ref is its full reference. Two images with the same Version and Command have the same digest.
	Ref, Version string
	// Command is what the container runs: a command of test/app.
	Command []string
}

// Images returns the images that there must be on a real stage.
func Images() []Image {
	serve := []string{"serve"}
	images := []Image{
		{webV1, "v1", serve},
		{webV1Again, "v1", serve},
		{webV2, "v2", serve},
		{webV3, "v3", serve},
		{webCrash, "crash", []string{"crash"}},
		{toolsV1, "v1", nil},
		{toolsV2, "v2", nil},
	}
	for _, repository := range slowRepositories() {
		images = append(images, Image{slow(repository), repository, serve})
	}
	return images
}

// Model returns the same images for the model kubelet.
func Model() kubelet.ImageModel {
	table := kubelet.ImageTable{
		webMissing: {PullError: "not found"},
		webV1Again: {Digest: kubelet.DigestOf(webV1)},
		webCrash:   {CrashAfter: relist},
		toolsV1:    {RunTime: relist},
	}
	for _, repository := range slowRepositories() {
		table[slow(repository)] = kubelet.Image{PullTime: slowPull}
	}
	return table
}

// webPod returns a pod with a web server, which has no readiness probe.
func webPod(changes ...func(*corev1.PodSpec)) func() *corev1.Pod {
	return func() *corev1.Pod {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "scenario"},
			Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: new(int64(5)),
				Containers: []corev1.Container{{
					Name: web, Image: webV1, Args: []string{"--ready-delay=0s", "--listen=:8080"},
				}},
			},
		}
		for _, change := range changes {
			change(&pod.Spec)
		}
		return pod
	}
}

// withProbe gives the web server a readiness probe, which fails after three seconds.
func withProbe(spec *corev1.PodSpec) {
	spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(webPort)}},
		PeriodSeconds: 1, FailureThreshold: 3,
	}
}

func withGate(spec *corev1.PodSpec) {
	spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: gate}}
}

// withSidecar adds a native sidecar.
func withSidecar(spec *corev1.PodSpec) {
	spec.InitContainers = append(spec.InitContainers, corev1.Container{
		Name: proxy, Image: toolsV1, Args: []string{"sidecar", "--listen=:9090"},
		RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
	})
}

// withSetup adds an ordinary init container.
func withSetup(spec *corev1.PodSpec) {
	spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: setup, Image: toolsV1, Args: []string{"init"}})
}

// withHelper adds a container beside the web server.
func withHelper(spec *corev1.PodSpec) {
	spec.Containers = append(spec.Containers, corev1.Container{
		Name: helper, Image: toolsV1, Args: []string{"sidecar", "--listen=:9091"},
	})
}

// withImage gives the web server another image.
func withImage(image string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) { spec.Containers[0].Image = image }
}

func statusOf(pod *corev1.Pod, container string) *corev1.ContainerStatus {
	all := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	if i := slices.IndexFunc(all, func(s corev1.ContainerStatus) bool { return s.Name == container }); i >= 0 {
		return &all[i]
	}
	return nil
}

func isReady(pod *corev1.Pod) bool { return hasCondition(pod, corev1.PodReady) }

// onlyGateMissing tells whether a pod would be ready but for its gate.
func onlyGateMissing(pod *corev1.Pod) bool {
	return len(pod.Spec.ReadinessGates) > 0 && hasCondition(pod, corev1.ContainersReady) && !hasCondition(pod, gate)
}

func hasCondition(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == kind && c.Status == corev1.ConditionTrue
	})
}

// imagePatch returns the patch that changes images, by the names of their containers.
func imagePatch(pod *corev1.Pod, images map[string]string) []byte {
	type change struct {
		Name  string `json:"name"`
		Image string `json:"image"`
	}
	changes := func(containers []corev1.Container) []change {
		var changed []change
		for i := range containers {
			if image, ok := images[containers[i].Name]; ok {
				changed = append(changed, change{containers[i].Name, image})
			}
		}
		return changed
	}
	var patch struct {
		Spec struct {
			InitContainers []change `json:"initContainers,omitempty"`
			Containers     []change `json:"containers,omitempty"`
		} `json:"spec"`
	}
	patch.Spec.InitContainers, patch.Spec.Containers = changes(pod.Spec.InitContainers), changes(pod.Spec.Containers)
	data, err := json.Marshal(patch)
	if err != nil {
		panic(err) // Strings can be encoded.
	}
	return data
}
