package scenarios

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// withResources gives the web server, and the sidecar if there is one, little cpu and memory.
func withResources(spec *corev1.PodSpec) {
	some := func(amounts ...string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(amounts[0]), corev1.ResourceMemory: resource.MustParse(amounts[1]),
		}
	}
	for i := range spec.InitContainers {
		spec.InitContainers[i].Resources = corev1.ResourceRequirements{Requests: some("10m", "16Mi")}
	}
	spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: some("20m", "32Mi"), Limits: some("500m", "256Mi")}
}

// withRestart has the web server be restarted for another memory.
func withRestart(spec *corev1.PodSpec) {
	spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{
		{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer},
	}
}

// Resize changes what the web server asks for: requests or limits of cpu or memory.
func (p *Play) Resize(list, name, amount string) {
	p.Helper()
	p.resize("containers", web, list, name, amount)
}

func (p *Play) resize(containers, container, list, name, amount string) {
	p.Helper()
	p.must(p.stage.Patch(fmt.Appendf(nil, `{"spec":{%q:[{"name":%q,"resources":{%q:{%q:%q}}}]}}`,
		containers, container, list, name, amount), "resize"))
}

// UntilResized waits until the kubelet has seen the newest spec and nothing is left to be changed.
func (p *Play) UntilResized(generation int64) {
	p.Helper()
	p.Until(fmt.Sprintf("generation %d is resized", generation), func(pod *corev1.Pod) bool {
		return pod.Status.ObservedGeneration >= generation && isReady(pod) &&
			!hasCondition(pod, corev1.PodResizePending) && !hasCondition(pod, corev1.PodResizeInProgress)
	})
}

func resized() Scenario {
	return Scenario{
		Name: "resources of a running container",
		Pod:  webPod(withResources),
		Do: func(p *Play) {
			p.Resize("requests", "cpu", "30m")
			p.UntilResized(2)
			p.Resize("limits", "memory", "300Mi")
			p.UntilResized(3)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0,20m<500m,32Mi<256Mi ready",
			"~2 web:running,#1,@1,0,20m<500m,32Mi<256Mi resizing ready",
			"~2 web:running,#1,@1,0,30m<500m,32Mi<256Mi ready",
			"~3 web:running,#1,@1,0,30m<500m,32Mi<256Mi resizing ready",
			"3 web:running,#1,@1,0,30m<500m,32Mi<300Mi ready",
		},
	}
}

func resizedSidecar() Scenario {
	return Scenario{
		Name: "resources of a native sidecar",
		Pod:  webPod(withSidecar, withResources),
		Do: func(p *Play) {
			p.resize("initContainers", proxy, "requests", "cpu", "15m")
			p.UntilResized(2)
		},
		Shows: []string{
			"~1 proxy:running,#1,@1,0,10m,16Mi web:running,#2,@2,0,20m<500m,32Mi<256Mi ready",
			"~2 proxy:running,#1,@1,0,10m,16Mi web:running,#2,@2,0,20m<500m,32Mi<256Mi resizing ready",
			"2 proxy:running,#1,@1,0,15m,16Mi web:running,#2,@2,0,20m<500m,32Mi<256Mi ready",
		},
	}
}

func resizedByRestart() Scenario {
	return Scenario{
		Name: "resources of a container that is restarted for them",
		Pod:  webPod(withResources, withRestart),
		Do: func(p *Play) {
			p.Resize("limits", "memory", "300Mi")
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0,20m<500m,32Mi<256Mi ready",
			"~2 web:running,#1,@1,0,20m<500m,32Mi<256Mi resizing ready",
			"2 web:running,#2,@1,1,20m<500m,32Mi<300Mi ready",
		},
	}
}
