package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	mirror   = "mirror.example/"
	injected = "example.com/injected"
)

// injection puts a container before ours, a native sidecar before our init containers, a label and annotations into new
// pods, as a service mesh does.
const injection = `
matchConstraints:
  resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
failurePolicy: Fail
reinvocationPolicy: Never
mutations:
- patchType: JSONPatch
  jsonPatch:
    expression: |
      [
        JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{
          name: "agent", image: "registry.example/agent:v1"}},
        has(object.spec.initContainers)
          ? JSONPatch{op: "add", path: "/spec/initContainers/0", value: Object.spec.initContainers{
              name: "mesh", image: "registry.example/mesh:v1", restartPolicy: "Always"}}
          : JSONPatch{op: "add", path: "/spec/initContainers", value: [
              {"name": "mesh", "image": "registry.example/mesh:v1", "restartPolicy": "Always"}]},
        JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/injected"), value: "mesh"},
        has(object.metadata.annotations)
          ? JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/injected"), value: "mesh"}
          : JSONPatch{op: "add", path: "/metadata/annotations", value: {"example.com/injected": "mesh"}}
      ]
`

// mirroring rewrites the images of all containers, for the operations that are put into it.
const mirroring = `
matchConstraints:
  resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: OPERATIONS}]
failurePolicy: Fail
reinvocationPolicy: IfNeeded
mutations:
- patchType: JSONPatch
  jsonPatch:
    expression: |
      [0, 1, 2, 3, 4, 5].filter(i, i < size(object.spec.containers) &&
        !object.spec.containers[i].image.startsWith("mirror.example/")).map(i, JSONPatch{op: "replace",
          path: "/spec/containers/" + string(i) + "/image", value: "mirror.example/" + object.spec.containers[i].image})
- patchType: JSONPatch
  jsonPatch:
    expression: |
      [0, 1, 2, 3, 4, 5].filter(i, has(object.spec.initContainers) && i < size(object.spec.initContainers) &&
        !object.spec.initContainers[i].image.startsWith("mirror.example/")).map(i, JSONPatch{op: "replace",
          path: "/spec/initContainers/" + string(i) + "/image", value: "mirror.example/" + object.spec.initContainers[i].image})
`

// pinning sets the image of the web server back, whatever it was set to.
const pinning = `
matchConstraints:
  resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [UPDATE]}]
failurePolicy: Fail
reinvocationPolicy: Never
mutations:
- patchType: JSONPatch
  jsonPatch:
    expression: |
      [0, 1, 2].filter(i, i < size(object.spec.containers) && object.spec.containers[i].name == "web").map(i,
        JSONPatch{op: "replace", path: "/spec/containers/" + string(i) + "/image", value: "registry.example/web:v1"})
`

// Somebody else changes pods as they are created, and as they are updated. Updates go on in place, touch what is ours and
// nothing else, cost what they always cost, and come to an end.
func TestPodsThatOthersChange(t *testing.T) {
	t.Parallel()
	inject := policy{injection, func(created, _ *corev1.Pod) bool { return created.Labels[injected] != "" }}
	mirrorNew := policy{strings.Replace(mirroring, "OPERATIONS", "[CREATE]", 1), func(created, _ *corev1.Pod) bool {
		return webServer(created).Image == mirror+imageV1
	}}
	mirrorUpdated := policy{strings.Replace(mirroring, "OPERATIONS", "[UPDATE]", 1), func(_, updated *corev1.Pod) bool {
		return webServer(updated).Image == mirror+imageV2
	}}
	pin := policy{pinning, func(_, updated *corev1.Pod) bool { return webServer(updated).Image == imageV1 }}
	for name, c := range map[string]struct {
		policies []policy
		// wanted is the image that a pod has in the end.
		wanted string
		// restarts tells that the policy changes, with the first update, containers that we do not.
		restarts bool
	}{
		"inject":                                 {policies: []policy{inject}, wanted: imageV2},
		"inject, and rewrite images always":      {policies: []policy{inject, mirrorNew, mirrorUpdated}, wanted: mirror + imageV2},
		"inject, and rewrite images of new pods": {policies: []policy{inject, mirrorNew}, wanted: imageV2},
		"rewrite images of updated pods":         {policies: []policy{mirrorUpdated}, wanted: mirror + imageV2, restarts: true},
		"set the image back":                     {policies: []policy{pin}, wanted: imageV1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.changePods(c.policies...)
			e.created(3)
			before := e.others()
			e.change(setImage(imageV2))
			e.untilComplete(app)
			e.expectUpdatedBeside(before, c.wanted, c.restarts)
			e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})

			e.change(setLabel("team", "storage"))
			e.untilComplete(app)
			e.expectUpdatedBeside(before, c.wanted, c.restarts)
			// By the time that another CloneSet is complete, an endless loop would have shown.
			other := e.cloneSet("meanwhile", 2)
			e.must(e.client.Create(e.ctx, other))
			e.untilComplete(other.Name)
			e.expectPodWrites(map[string]int{"create": 3 + 2, "patch status": 3 + 2*3 + 2, "patch": 3 + 3})
		})
	}
}

// Who injected a container changes its image in live pods, before, in the middle of and after an update of ours. Neither
// gets in the way of the other.
func TestInjectedContainerThatOthersUpdate(t *testing.T) {
	e := newEnv(t)
	e.changePods(policy{injection, func(created, _ *corev1.Pod) bool { return created.Labels[injected] != "" }})
	e.created(2, setGrace(1))
	uids := map[types.UID]bool{}
	for _, pod := range e.view.Pods(app) {
		uids[pod.UID] = true
	}
	setAgent := func(pod *corev1.Pod, version string) {
		e.edit(pod, func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "registry.example/agent:" + version })
	}
	setAgent(e.view.Pods(app)[0], "v2")
	e.change(setImage(slowImage), unrehearsed)
	setAgent(e.untilPod("is drained", func(pod *corev1.Pod) bool { return gateOff(pod) && webServer(pod).Image == imageV1 }), "v3")
	setAgent(e.untilPod("is restarting", func(pod *corev1.Pod) bool { return gateOff(pod) && webServer(pod).Image != imageV1 }), "v4")
	e.untilComplete(app)
	setAgent(e.view.Pods(app)[0], "v5")
	e.untilReason(appsv1beta1.ReasonComplete, "2 of 2")
	e.expectCount(2, "have the new image, and were there before", func(pod *corev1.Pod) bool {
		return uids[pod.UID] && webServer(pod).Image == slowImage && framework.InServiceByGate(pod)
	})
	e.expectPodWrites(map[string]int{"create": 2, "patch status": 2 + 2*2, "patch": 2})
}

// remains is all of a pod that an update of the web server leaves alone.
type remains struct {
	uid               types.UID
	label, annotation string
	containers        map[string]string
}

// others returns those of the test's pods, by name.
func (e *env) others() map[string]remains {
	all := map[string]remains{}
	for _, pod := range e.view.Pods(app) {
		kept := remains{pod.UID, pod.Labels[injected], pod.Annotations[injected], map[string]string{}}
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if s.Name != framework.MainContainer {
				kept.containers[s.Name] = s.ContainerID + " " + s.Image
			}
		}
		all[pod.Name] = kept
	}
	return all
}

// expectUpdatedBeside checks that the web server of each pod is of an image, and that all else is as before, but for other
// containers where these are restarted.
func (e *env) expectUpdatedBeside(before map[string]remains, image string, restarts bool) {
	e.Helper()
	after := e.others()
	if restarts {
		for name, was := range before {
			was.containers = after[name].containers
			before[name] = was
		}
	}
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(remains{})); diff != "" {
		e.Errorf("pods are not as before (-before +after):\n%s", diff)
	}
	e.expectCount(3, "are of "+image, func(pod *corev1.Pod) bool { return webServer(pod).Image == image })
}

// policy is a MutatingAdmissionPolicy, and how it is told to be in force by what it made of a pod of version 1 that was
// created, and of one that was updated to version 2.
type policy struct {
	spec    string
	inForce func(created, updated *corev1.Pod) bool
}

// changePods puts policies in force in the test's namespace.
func (e *env) changePods(policies ...policy) {
	e.Helper()
	probe := e.probe("probe")
	e.must(e.client.Create(e.ctx, probe))
	for _, p := range policies {
		spec := map[string]any{}
		e.must(yaml.Unmarshal([]byte(p.spec), &spec))
		created := e.admission("MutatingAdmissionPolicy", spec)
		e.admission("MutatingAdmissionPolicyBinding", map[string]any{
			"policyName": created.GetName(),
			"matchResources": map[string]any{"namespaceSelector": map[string]any{
				"matchLabels": map[string]any{corev1.LabelMetadataName: e.namespace},
			}},
		})
	}
	e.poll(func() (bool, string) {
		created, updated := e.probe("another"), probe.DeepCopy()
		e.must(e.client.Create(e.ctx, created, client.DryRunAll))
		change := client.StrategicMergeFrom(probe)
		webServer(updated).Image = imageV2
		e.must(e.client.Patch(e.ctx, updated, change, client.DryRunAll))
		for _, p := range policies {
			if !p.inForce(created, updated) {
				return false, "a policy is not in force: " + p.spec
			}
		}
		return true, ""
	})
}

// probe returns a pod that belongs to nobody.
func (e *env) probe(name string) *corev1.Pod {
	template := e.cloneSet(name, 1).Spec.Template
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: name, Labels: template.Labels}, Spec: template.Spec,
	}
}

func webServer(pod *corev1.Pod) *corev1.Container {
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == framework.MainContainer })
	return &pod.Spec.Containers[i]
}

// admission creates an object that is about admission, for as long as the test runs.
func (e *env) admission(kind string, spec map[string]any) *unstructured.Unstructured {
	e.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetAPIVersion("admissionregistration.k8s.io/v1")
	object.SetKind(kind)
	object.SetGenerateName(e.namespace + "-")
	e.must(e.client.Create(e.ctx, object))
	e.Cleanup(func() {
		if err := e.client.Delete(context.WithoutCancel(e.ctx), object); err != nil {
			e.Errorf("deleting the %s: %v", kind, err)
		}
	})
	return object
}
