package observe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// anyPod draws a pod as a kubelet may leave it at some point of an update, with all that a cache does without.
func anyPod(t *rapid.T, name string) *corev1.Pod {
	revision := rapid.SampledFrom([]string{"web-a", "web-b"}).Draw(t, "revision")
	pod := testpods.New(name, owned, testpods.Label("app", "web"), testpods.Revision(revision),
		testpods.Init("setup", "setup:1"), testpods.Sidecar("proxy", "proxy:1"), testpods.Container("web", "app:a"), full)
	switch rapid.IntRange(0, 2).Draw(t, "service") {
	case 0:
		testpods.Serving()(pod)
	case 1:
		testpods.Drained(testpods.Start())(pod)
	}
	if rapid.Bool().Draw(t, "patched") {
		pod = patchedInPlace(t, pod)
	}
	if rapid.Bool().Draw(t, "observed") {
		testpods.Observe(pod)
	}
	if rapid.Bool().Draw(t, "old cluster") {
		testpods.DropGenerations(pod)
	}
	switch rapid.IntRange(0, 3).Draw(t, "container") {
	case 0:
		testpods.Run(pod, "web", 2, rapid.SampledFrom([]string{"app:a", "app:b"}).Draw(t, "image"))
	case 1:
		testpods.Wait(pod, "web", "CrashLoopBackOff", "back-off 10s")
	case 2:
		pod.Spec.NodeName, pod.Status.Phase = "", corev1.PodPending
		testpods.Condition(corev1.PodScheduled, corev1.ConditionFalse, testpods.Start())(pod)
		inplace.Condition(pod, corev1.PodScheduled).Message = "0/3 nodes are available"
	}
	return pod
}

// full fills in what no decision needs.
func full(pod *corev1.Pod) {
	pod.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	pod.Finalizers = []string{"example.com/hold"}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(10))
	pod.Spec.Volumes = []corev1.Volume{{Name: "tmp"}}
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "a"}}
	pod.Status.PodIP, pod.Status.HostIP = "10.0.0.1", "10.1.0.1"
	testpods.Condition(corev1.ContainersReady, corev1.ConditionTrue, testpods.Start())(pod)
	pod.Status.ContainerStatuses[0].AllocatedResources = corev1.ResourceList{}
}

func template(image string) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{}
	t.Labels = map[string]string{"app": "web"}
	t.Spec.Containers = []corev1.Container{{Name: "web", Image: image}}
	return t
}

// inputOf returns what a pass would be told of some pods.
func inputOf(pods []*corev1.Pod, now time.Time) plan.Input {
	set := cloneSet()
	set.Spec.Replicas = new(int32(len(pods)))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Template = *template("app:b")
	a, b := plan.Revision{Name: "web-a", Template: template("app:a")}, plan.Revision{Name: "web-b", Template: &set.Spec.Template}
	in := plan.Input{
		Set: set, Pods: pods, Now: now, Sightings: map[types.UID]*inplace.Sighting{},
		Revisions: plan.Revisions{
			Update: b, Current: a, Templates: map[string]*corev1.PodTemplateSpec{"web-a": a.Template, "web-b": b.Template},
		},
	}
	for _, pod := range pods {
		seen := in.Sightings[pod.UID].See(pod, testpods.Start())
		in.Sightings[pod.UID] = seen.SeeDrained(inplace.IsDrained(pod, false), true, testpods.Start())
	}
	return in
}

// said is what a plan does, without the pods that it does it to.
func said(p plan.Plan) []string {
	var texts []string
	for _, a := range p.Actions {
		texts = append(texts, fmt.Sprintf("%s %s %s", a.String(), a.Verb, a.Patch))
	}
	return texts
}

// The cache drops what no decision needs, and nothing that one does.
func TestPlanFromTrimmedPodsIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pods, trimmed []*corev1.Pod
		for i := range rapid.IntRange(1, 4).Draw(t, "pods") {
			pod := anyPod(t, fmt.Sprintf("web-%d", i))
			pods, trimmed = append(pods, pod), append(trimmed, TrimPod(pod))
		}
		now := testpods.Start().Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
		want, got := plan.Compute(inputOf(pods, now)), plan.Compute(inputOf(trimmed, now))
		if diff := cmp.Diff(said(want), said(got)); diff != "" {
			t.Fatalf("actions (-full +trimmed):\n%s", diff)
		}
		if diff := cmp.Diff(want.Status, got.Status); diff != "" || want.Wake != got.Wake {
			t.Fatalf("status (-full +trimmed), wake %s and %s:\n%s", want.Wake, got.Wake, diff)
		}
		for i := range pods {
			digests := func(image string) []string { return inplace.KnownDigests(pods)[image] }
			seen := inputOf(pods, now).Sightings[pods[i].UID]
			full, less := inplace.ProgressOf(pods[i], seen, digests, now), inplace.ProgressOf(trimmed[i], seen, digests, now)
			if diff := cmp.Diff(full, less); diff != "" {
				t.Fatalf("progress (-full +trimmed):\n%s", diff)
			}
		}
		if diff := cmp.Diff(inplace.KnownDigests(pods), inplace.KnownDigests(trimmed)); diff != "" {
			t.Fatalf("digests (-full +trimmed):\n%s", diff)
		}
	})
}

// What the kubelet does with an image is no matter of the template alone.
func TestTrimmedPodKeepsItsPullPolicy(t *testing.T) {
	for _, policy := range []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever, ""} {
		pod := testpods.New("web-1", testpods.Container("web", "app:a"))
		pod.Spec.Containers[0].ImagePullPolicy = policy
		if got := TrimPod(TrimPod(pod)).Spec.Containers[0].ImagePullPolicy; got != policy {
			t.Errorf("%q has become %q", policy, got)
		}
	}
}

// patchedInPlace returns a pod with the patch of an update, and perhaps drained again since.
func patchedInPlace(t *rapid.T, pod *corev1.Pod) *corev1.Pod {
	rules := inplace.Rules{"web": {NoDrain: rapid.Bool().Draw(t, "no drain")}}
	target := inplace.Target{Revision: "web-b", Template: template("app:b"), Rules: rules}
	change := inplace.Compare(template("app:a"), target.Template)
	patched := mustPatch(t, pod, inplace.UpdatePatch(pod, target, change, inplace.Progress{}))
	if rapid.Bool().Draw(t, "drained again") {
		return mustPatch(t, patched, inplace.DrainPatch(patched, "for a test", "", testpods.Start()))
	}
	return patched
}

func mustPatch(t *rapid.T, pod *corev1.Pod, patch []byte) *corev1.Pod {
	patched, err := testpods.Patched(pod, patch)
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func TestTrimDropsWhatNoDecisionNeeds(t *testing.T) {
	pod := testpods.New("a", testpods.Container("web", "app:a"), full)
	pod.Annotations["apps.insitu.dev/inplace-state"] = "{}"
	got := TrimPod(pod)
	if got.ManagedFields != nil || got.Spec.Volumes != nil || got.Spec.Containers[0].Env != nil || got.Status.PodIP != "" {
		t.Errorf("kept %+v", got)
	}
	if len(pod.Annotations) != 2 || pod.Status.PodIP == "" {
		t.Error("the pod itself was changed")
	}
}

func TestTrimKeepsWhatDecisionsNeed(t *testing.T) {
	pod := testpods.New("a", testpods.Container("web", "app:a"), full)
	pod.Annotations["apps.insitu.dev/inplace-state"] = "{}"
	got := TrimPod(pod)
	if diff := cmp.Diff(map[string]string{"apps.insitu.dev/inplace-state": "{}"}, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if status := got.Status.ContainerStatuses[0]; !status.Ready || status.Started == nil || !*status.Started {
		t.Error("it is not told any more that the container has started and is ready")
	}
	if diff := cmp.Diff(new(int64(10)), got.Spec.TerminationGracePeriodSeconds); diff != "" {
		t.Errorf("grace period (-want +got):\n%s", diff)
	}
}

func TestTrimmedObjectsOfOtherKindsAreLeftAlone(t *testing.T) {
	set := cloneSet()
	for name, trim := range map[string]func(any) (any, error){"pod": trimPod, "claim": trimClaim, "slice": trimSlice} {
		if got, err := trim(set); err != nil || got != any(set) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestTrimmedSlice(t *testing.T) {
	endpoint := func(kind string, uid types.UID, serving *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{
			Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: kind, UID: uid, Name: "web"},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: serving},
		}
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "uid-slice", ResourceVersion: "9", Labels: map[string]string{
			"a": "b", discoveryv1.LabelServiceName: "front",
		}},
		Endpoints: []discoveryv1.Endpoint{
			endpoint("Pod", "uid-a", nil), endpoint("Pod", "uid-b", new(false)), endpoint("Node", "uid-n", nil), {},
		},
	}
	want := sliceOf("web", map[types.UID]*bool{"uid-a": nil})
	want.UID, want.ResourceVersion = "uid-slice", "9"
	want.Labels = map[string]string{discoveryv1.LabelServiceName: "front"}
	want.Endpoints = append(want.Endpoints, sliceOf("", map[types.UID]*bool{"uid-b": new(false)}).Endpoints...)
	want.Endpoints[1].Conditions.Ready = new(true) // It is published though it is not serving.
	got, err := trimSlice(slice)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("slice (-want +got):\n%s", diff)
	}
}

// The first list of a reflector is trimmed twice where it is streamed.
func TestTrimmedTwiceIsTheSameAsOnce(t *testing.T) {
	entry := metav1.ManagedFieldsEntry{
		Manager: appsv1beta1.FieldOwner, Subresource: "status", FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`),
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-web-a", Labels: map[string]string{
		appsv1beta1.ManagedLabel: "true", "a": "b",
	}}}
	slice := sliceOf("web", map[types.UID]*bool{"uid-a": nil})
	slice.Endpoints = append(slice.Endpoints, sliceOf("", map[types.UID]*bool{"uid-b": new(false)}).Endpoints...)
	slice.Endpoints[1].Conditions.Ready = new(true)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web", ManagedFields: []metav1.ManagedFieldsEntry{entry}},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 1, DisruptedPods: map[string]metav1.Time{"a": {}}},
	}
	rapid.Check(t, func(t *rapid.T) {
		pod := rapid.OneOf(rapid.Custom(anyResizedPod), rapid.Custom(func(t *rapid.T) *corev1.Pod { return anyPod(t, "web-a") }))
		for kind, by := range CacheOptions().ByObject {
			var full any
			switch kind.(type) {
			case *corev1.Pod:
				full = pod.Draw(t, "pod")
			case *corev1.PersistentVolumeClaim:
				full = claim
			case *discoveryv1.EndpointSlice:
				full = slice
			case *policyv1.PodDisruptionBudget:
				full = budget
			}
			if by.Transform == nil {
				continue
			}
			once, err := by.Transform(full)
			if err != nil || once == nil {
				t.Fatalf("%T: %v, %v", kind, once, err)
			}
			if twice, err := by.Transform(once); err != nil || !cmp.Equal(once, twice) {
				t.Errorf("%T (-once +twice), %v:\n%s", kind, err, cmp.Diff(once, twice))
			}
		}
	})
}

func TestFlipped(t *testing.T) {
	yes, no := new(true), new(false)
	slice := func(serving map[types.UID]*bool) *discoveryv1.EndpointSlice {
		if serving == nil {
			return nil
		}
		return sliceOf("web", serving)
	}
	type serving = map[types.UID]*bool
	tests := map[string]struct {
		before, after serving
		want          []types.UID
	}{
		"a new slice":          {nil, serving{"a": yes, "b": no}, []types.UID{"a", "b"}},
		"a slice that is gone": {serving{"a": yes, "b": no}, nil, []types.UID{"a", "b"}},
		"nothing changed":      {serving{"a": yes, "b": no}, serving{"a": yes, "b": no}, nil},
		"absent means true":    {serving{"a": nil}, serving{"a": yes}, nil},
		"one ended serving":    {serving{"a": yes, "b": yes}, serving{"a": no, "b": yes}, []types.UID{"a"}},
		"one was taken out":    {serving{"a": yes, "b": yes}, serving{"b": yes}, []types.UID{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Flipped(slice(tt.before), slice(tt.after))
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("flipped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCacheHoldsOurPodsOnly(t *testing.T) {
	options := CacheOptions()
	selected := map[string]string{}
	for object, by := range options.ByObject {
		if by.Label != nil {
			selected[fmt.Sprintf("%T", object)] = by.Label.String()
		}
	}
	const ours = appsv1beta1.ManagedLabel + "=true"
	want := map[string]string{
		"*v1.Pod":                   appsv1beta1.ManagedLabel + " in (rehearsal,true)",
		"*v1.PersistentVolumeClaim": ours, "*v1.ControllerRevision": ours,
	}
	if diff := cmp.Diff(want, selected); diff != "" || !options.ReaderFailOnMissingInformer {
		t.Errorf("kinds selected by the label (-want +got):\n%s", diff)
	}
}
