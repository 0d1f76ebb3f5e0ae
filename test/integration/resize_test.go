package integration_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// A vertical autoscaler gives live pods other resources than their template has. The next update is in place all the
// same, and leaves the resources as they are; neither needs more writes than ever.
func TestKeepsResourcesOfResizedPods(t *testing.T) {
	e := newEnv(t)
	e.created(2, setCPU("100m"))
	before := e.identities()
	for _, pod := range e.view.Pods(app) {
		e.resize(pod, "150m")
	}
	e.change(setImage(slowImage), unrehearsed, setGrace(forEver))
	drained := e.untilPod("is drained", isDraining)
	e.resize(drained, "200m")
	e.untilKnown(drained, "has not got what it was given by hand", reportsCPU("200m")) // A report that comes later is a conflict.
	e.change(setGrace(0))
	e.resize(e.untilKnown(drained, "is not restarting", isRestarting), "250m")
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(2, "run the new image", runs(slowImage))
	e.expectCount(1, "have the resources of the first resize", hasCPU("150m"))
	e.expectCount(1, "have the resources of the last", hasCPU("250m"))
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2 + 2*2, "patch": 2})

	e.change(setLabel("team", "storage"))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(0, "have the template's resources again", hasCPU("100m"))
	if field := e.view.CloneSet(app).Status.RecreateField; field != "" {
		t.Errorf("pods were recreated because of %s", field)
	}
}

// An amount that is changed in the template is changed in the pods, whatever it was there: each takes three writes, none of
// which takes the pod out of service.
func TestResizesForTheTemplate(t *testing.T) {
	e := newEnv(t)
	e.created(2, setCPU("100m"))
	before := e.identities()
	pod := e.view.Pods(app)[0]
	e.resize(pod, "150m")
	e.untilKnown(pod, "has not got what it was given by hand", reportsCPU("150m")) // A report that comes later is a conflict.
	e.change(setCPU("200m"))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.expectCount(2, "have the new resources", hasCPU("200m"))
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2, "patch": 2 * 2, "patch resize": 2})
	e.expectNoConflict()
}

// Where users want so, or where the class of the pods would change, pods are replaced.
func TestRecreatesForResourcesOfTheTemplate(t *testing.T) {
	const field = "spec.template.spec.containers[0].resources.requests.cpu"
	tests := map[string][]func(*appsv1beta1.CloneSet){
		"users want so": {setCPU("100m"), func(set *appsv1beta1.CloneSet) {
			set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Resources = appsv1beta1.RecreateForResources
		}},
		"another class": nil,
	}
	for name, created := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2, created...)
			e.change(setCPU("200m"))
			e.untilComplete(app)
			e.expectCount(2, "have the new resources", hasCPU("200m"))
			if got := e.view.CloneSet(app).Status.RecreateField; got != field {
				t.Errorf("pods were recreated because of %q, want %s", got, field)
			}
		})
	}
}

// What the API server refuses for a quota's sake is told, and done when the quota is lifted; nothing is replaced meanwhile.
func TestResizeBeyondAQuota(t *testing.T) {
	e := newEnv(t)
	e.created(1, setCPU("100m"))
	before := e.identities()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "small"}}
	quota.Spec.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("150m")}
	e.must(e.client.Create(e.ctx, quota))
	e.poll(func() (bool, string) {
		e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(quota), quota))
		return len(quota.Status.Hard) > 0, "the quota is not counted"
	})
	e.change(setCPU("200m"))
	e.untilSet("tells no refusal", func(set *appsv1beta1.CloneSet) bool {
		return len(set.Status.PodNotes) == 1 && set.Status.PodNotes[0].Reason == appsv1beta1.NoteResizeRefused
	})
	e.must(e.client.Delete(e.ctx, quota))
	e.untilComplete(app)
	e.expectIdentities(before)
}

// What no node has is told, with the pods left as they are where nothing else is allowed, and replaced otherwise.
func TestResizeBeyondTheNode(t *testing.T) {
	e := newEnv(t)
	e.created(1, setCPU("100m"), setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	before := e.identities()
	e.change(setCPU("100k"))
	e.untilReason(appsv1beta1.ReasonInPlaceImpossible, "allocatable")
	e.change(setCPU("150m"))
	e.untilComplete(app)
	e.expectIdentities(before)
	e.change(setPolicy(appsv1beta1.InPlaceIfPossiblePodUpdatePolicy), setCPU("100k"))
	e.untilEvent("Recreate", "allocatable")
}

func setCPU(amount string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { request(&set.Spec.Template.Spec, amount) }
}

func request(spec *corev1.PodSpec, amount string) {
	spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount)}
}

func hasCPU(amount string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return pod.Spec.Containers[0].Resources.Requests.Cpu().Equal(resource.MustParse(amount))
	}
}

// reportsCPU tells whether the kubelet has said all there is to say of what the web server has.
func reportsCPU(amount string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return inplace.Condition(pod, corev1.PodResizeInProgress) == nil &&
			slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
				return s.Name == pod.Spec.Containers[0].Name && s.Resources.Requests.Cpu().Equal(resource.MustParse(amount))
			})
	}
}

// resize gives the web server of a live pod other resources, as a vertical autoscaler does.
func (e *env) resize(pod *corev1.Pod, amount string) {
	e.Helper()
	resized := pod.DeepCopy()
	request(&resized.Spec, amount)
	e.must(e.client.SubResource("resize").Patch(e.ctx, resized, client.StrategicMergeFrom(pod)))
	e.untilKnown(pod, "has not the resources "+amount, hasCPU(amount))
}
