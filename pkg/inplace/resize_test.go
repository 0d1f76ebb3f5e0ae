package inplace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// amounts are requests and limits of the container web, and of the sidecar proxy.
type amounts struct {
	requests, limits, proxy map[corev1.ResourceName]string
}

func (a amounts) template(edits ...func(*corev1.PodTemplateSpec)) *corev1.PodTemplateSpec {
	return edited(append([]func(*corev1.PodTemplateSpec){func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: listOf(a.requests), Limits: listOf(a.limits)}
		t.Spec.InitContainers[1].Resources.Requests = listOf(a.proxy)
	}}, edits...)...)
}

func listOf(amounts map[corev1.ResourceName]string) corev1.ResourceList {
	var list corev1.ResourceList
	for name, amount := range amounts {
		if list == nil {
			list = corev1.ResourceList{}
		}
		list[name] = resource.MustParse(amount)
	}
	return list
}

type of = map[corev1.ResourceName]string

func restartFor(name corev1.ResourceName) func(*corev1.PodTemplateSpec) {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: name, RestartPolicy: corev1.RestartContainer}}
	}
}

func readsItsMemory(t *corev1.PodTemplateSpec) {
	t.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{
		ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"},
	}}}
}

func TestCompareFindsResizes(t *testing.T) {
	tests := map[string]struct {
		old, new amounts
		edits    []func(*corev1.PodTemplateSpec)
		want     []inplace.Resize
		restarts bool
	}{
		"a request": {
			old: amounts{requests: of{"cpu": "1"}}, new: amounts{requests: of{"cpu": "2"}},
			want: []inplace.Resize{{Container: "web", Amount: "requests.cpu", To: "2"}},
		},
		"the same, written otherwise": {old: amounts{requests: of{"cpu": "1"}}, new: amounts{requests: of{"cpu": "1000m"}}},
		"a further limit": {
			old: amounts{requests: of{"cpu": "1"}}, new: amounts{requests: of{"cpu": "1"}, limits: of{"memory": "1Gi"}},
			want: []inplace.Resize{
				{Container: "web", Amount: "requests.memory", To: "1Gi"}, {Container: "web", Amount: "limits.memory", To: "1Gi"},
			},
		},
		"a limit that is the request, too": {
			old: amounts{requests: of{"memory": "1Gi"}, limits: of{"cpu": "1"}}, new: amounts{requests: of{"memory": "1Gi"}, limits: of{"cpu": "2"}},
			want: []inplace.Resize{
				{Container: "web", Amount: "requests.cpu", To: "2"}, {Container: "web", Amount: "limits.cpu", To: "2"},
			},
		},
		"a request that is spelled out": {
			old: amounts{requests: of{"memory": "1Gi"}, limits: of{"cpu": "1"}},
			new: amounts{requests: of{"memory": "1Gi", "cpu": "1"}, limits: of{"cpu": "1"}},
		},
		"a sidecar": {
			old: amounts{requests: of{"cpu": "1"}, proxy: of{"cpu": "10m"}}, new: amounts{requests: of{"cpu": "1"}, proxy: of{"cpu": "20m"}},
			want: []inplace.Resize{{Container: "proxy", Amount: "requests.cpu", To: "20m"}},
		},
		"a restart": {
			old: amounts{requests: of{"cpu": "1"}, limits: of{"memory": "1Gi"}}, new: amounts{requests: of{"cpu": "2", "memory": "1Gi"}, limits: of{"memory": "2Gi"}},
			edits: []func(*corev1.PodTemplateSpec){restartFor("memory")},
			want: []inplace.Resize{
				{Container: "web", Amount: "requests.cpu", To: "2"},
				{Container: "web", Amount: "limits.memory", To: "2Gi", Restarts: true},
			},
			restarts: true,
		},
		"what is read by a container that is restarted": {
			old: amounts{requests: of{"memory": "1Gi"}, limits: of{"memory": "1Gi"}}, new: amounts{requests: of{"memory": "1Gi"}, limits: of{"memory": "2Gi"}},
			edits:    []func(*corev1.PodTemplateSpec){restartFor("memory"), readsItsMemory},
			want:     []inplace.Resize{{Container: "web", Amount: "limits.memory", To: "2Gi", Restarts: true}},
			restarts: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(tt.old.template(tt.edits...), tt.new.template(tt.edits...))
			if diff := cmp.Diff(tt.want, change.Resizes); diff != "" || !change.InPlace() {
				t.Errorf("needs a new pod for %q: %s; resizes (-want +got):\n%s", change.Field, change.Why, diff)
			}
			if change.Restarts() != tt.restarts {
				t.Errorf("it restarts something: %v", change.Restarts())
			}
		})
	}
}

func TestCompareFindsResourcesThatForceANewPod(t *testing.T) {
	const path = "spec.template.spec.containers[0].resources."
	some := amounts{requests: of{"cpu": "1", "memory": "1Gi"}, limits: of{"memory": "2Gi"}}
	more := amounts{requests: of{"cpu": "2", "memory": "1Gi"}, limits: of{"memory": "2Gi"}}
	tests := map[string]struct {
		old, new  *corev1.PodTemplateSpec
		want, why string
	}{
		"a limit taken away": {
			some.template(), amounts{requests: of{"cpu": "1", "memory": "1Gi"}}.template(), path + "limits", "",
		},
		"a request taken away": {
			some.template(), amounts{requests: of{"memory": "1Gi"}, limits: of{"memory": "2Gi"}}.template(), path + "requests.cpu", "",
		},
		"a resource of another kind": {
			some.template(), amounts{requests: of{"cpu": "1", "memory": "1Gi", "example.com/gpu": "1"}, limits: of{"memory": "2Gi"}}.template(),
			path + "requests.example.com/gpu", "",
		},
		"the first resources of all": {
			edited(func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Resources = corev1.ResourceRequirements{} }), template(),
			path + "requests.cpu", path + "requests.cpu makes a Burstable pod of a BestEffort one, which cannot be done in place",
		},
		"an ordinary init container": {
			some.template(), some.template(func(t *corev1.PodTemplateSpec) {
				t.Spec.InitContainers[0].Resources.Requests = listOf(of{"cpu": "1"})
			}), "spec.template.spec.initContainers[0].resources.requests", "",
		},
		"the resizePolicy": {
			some.template(), some.template(restartFor("cpu")), "spec.template.spec.containers[0].resizePolicy", "",
		},
		"what is read into an environment": {
			some.template(readsItsMemory),
			amounts{requests: of{"cpu": "1", "memory": "1Gi"}, limits: of{"memory": "3Gi"}}.template(readsItsMemory),
			path + "limits.memory", path + "limits.memory cannot be changed in place, since the container web reads limits.memory into its" +
				" environment, which is set once",
		},
		"a pod with resources of its own": {
			some.template(ownResources), more.template(ownResources), path + "requests.cpu",
			path + "requests.cpu cannot be changed in place in a pod that has resources of its own",
		},
		"Windows": {
			some.template(onWindows), more.template(onWindows), path + "requests.cpu",
			path + "requests.cpu cannot be changed in place in a Windows pod",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(tt.old, tt.new)
			if change.Field != tt.want || change.Why != tt.why {
				t.Errorf("got %q: %q\nwant %q: %q", change.Field, change.Why, tt.want, tt.why)
			}
		})
	}
}

func ownResources(t *corev1.PodTemplateSpec) {
	t.Spec.Resources = &corev1.ResourceRequirements{Requests: listOf(of{"cpu": "3"})}
}

func onWindows(t *corev1.PodTemplateSpec) { t.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }
