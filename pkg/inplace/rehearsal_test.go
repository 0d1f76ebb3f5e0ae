package inplace

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

func rehearsalOf(containers ...string) *Rehearsal {
	template := &corev1.PodTemplateSpec{}
	template.Labels = map[string]string{"app": "web"}
	template.Spec = corev1.PodSpec{
		ServiceAccountName: "runner",
		ImagePullSecrets:   []corev1.LocalObjectReference{{Name: "registry"}},
		RuntimeClassName:   new("sandboxed"),
		Tolerations:        []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}},
		PriorityClassName:  "system-cluster-critical",
		HostNetwork:        true,
		InitContainers:     []corev1.Container{{Name: "mesh", Image: "mesh:2", RestartPolicy: new(corev1.ContainerRestartPolicyAlways)}},
		Containers: []corev1.Container{
			{Name: "web", Image: "app:b", ImagePullPolicy: corev1.PullAlways, Ports: []corev1.ContainerPort{{ContainerPort: 80}}},
			{Name: "log", Image: "log:2", Env: []corev1.EnvVar{{Name: "TOKEN", Value: "secret"}}},
		},
	}
	return &Rehearsal{
		Namespace: "shop", Prefix: "web", Node: "node-1", Revision: "web-b", Template: template, Containers: containers,
		Owner: metav1.OwnerReference{Kind: "CloneSet", Name: "web", UID: "uid-web", Controller: new(true)},
	}
}

func TestRehearsalPod(t *testing.T) {
	pod := rehearsalOf("mesh", "web", "gone").Pod()
	spec := &pod.Spec
	for what, ok := range map[string]bool{
		"it is bound to the node":            spec.NodeName == "node-1",
		"it has the pull secrets":            cmp.Equal(spec.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "registry"}}),
		"it has the service account":         spec.ServiceAccountName == "runner" && !*spec.AutomountServiceAccountToken,
		"it has the runtime class":           *spec.RuntimeClassName == "sandboxed",
		"it has the tolerations":             len(spec.Tolerations) == 1,
		"it preempts nobody":                 spec.PriorityClassName == "",
		"it is not in the node's network":    !spec.HostNetwork,
		"nothing is started again":           spec.RestartPolicy == corev1.RestartPolicyNever,
		"it goes at once":                    *spec.TerminationGracePeriodSeconds == 0,
		"it goes with its owner":             len(pod.OwnerReferences) == 1 && pod.OwnerReferences[0].UID == "uid-web",
		"it is known for what it is":         IsRehearsal(pod),
		"it has none of the template labels": pod.Labels["app"] == "",
		"a user that is not root":            *spec.SecurityContext.RunAsNonRoot && *spec.SecurityContext.RunAsUser > 0,
		"a seccomp profile":                  spec.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	var names []string
	for _, c := range spec.Containers {
		names = append(names, c.Name+" "+c.Image+" "+string(c.ImagePullPolicy))
		if len(c.Env)+len(c.Ports) > 0 || !slices.Equal(c.Command, []string{rehearsalCommand}) || *c.SecurityContext.AllowPrivilegeEscalation {
			t.Errorf("the container is %+v", c)
		}
	}
	if diff := cmp.Diff([]string{"mesh mesh:2 ", "web app:b Always"}, names); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

func TestRehearsalOnWindows(t *testing.T) {
	r := rehearsalOf("web")
	r.Template.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	pod := r.Pod()
	if pod.Spec.SecurityContext.RunAsUser != nil || pod.Spec.SecurityContext.SeccompProfile != nil || pod.Spec.Containers[0].SecurityContext != nil {
		t.Errorf("there is no such thing on Windows: %+v", pod.Spec)
	}
}

// Whoever makes the same rehearsal makes the same pod; another one has another name.
func TestRehearsalName(t *testing.T) {
	name := func(edit func(*Rehearsal)) string {
		r := rehearsalOf("web")
		edit(r)
		return r.Pod().Name
	}
	first := name(func(*Rehearsal) {})
	if again := name(func(*Rehearsal) {}); again != first || !strings.HasPrefix(first, "web-rehearsal-") {
		t.Errorf("named %s and %s", first, again)
	}
	for what, edit := range map[string]func(*Rehearsal){
		"revision":   func(r *Rehearsal) { r.Revision = "web-c" },
		"node":       func(r *Rehearsal) { r.Node = "node-2" },
		"containers": func(r *Rehearsal) { r.Containers = []string{"log"} },
		"attempt":    func(r *Rehearsal) { r.Attempt = 1 },
		"owner":      func(r *Rehearsal) { r.Owner.UID = "another" },
	} {
		if name(edit) == first {
			t.Errorf("another %s has the same name", what)
		}
	}
}

func waits(name, reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

func ends(name, reason, imageID string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, ImageID: imageID, State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{Reason: reason, FinishedAt: metav1.NewTime(testpods.Start().Add(7 * time.Second))},
	}}
}

func TestOutcome(t *testing.T) {
	pulled := func(images ...string) map[string]string {
		known := map[string]string{}
		for i := 0; i < len(images); i += 2 {
			known[images[i]] = images[i+1]
		}
		return known
	}
	for name, tt := range map[string]struct {
		statuses []corev1.ContainerStatus
		edit     func(*corev1.Pod)
		pulled   map[string]string
		failure  *Failure
	}{
		"nothing is known":                  {pulled: pulled()},
		"both are pulled":                   {statuses: []corev1.ContainerStatus{waits("web", "ContainerCreating", ""), waits("log", "PodInitializing", "")}, pulled: pulled()},
		"the start fails, after the pull":   {statuses: []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b"), waits("log", "ContainerCreating", "")}, pulled: pulled("app:b", "sha256:b")},
		"the digest is not told":            {statuses: []corev1.ContainerStatus{ends("web", "ContainerCannotRun", "")}, pulled: pulled("app:b", "")},
		"the container cannot be made":      {statuses: []corev1.ContainerStatus{waits("web", "CreateContainerError", "no such command")}, pulled: pulled("app:b", "")},
		"its configuration is wrong":        {statuses: []corev1.ContainerStatus{waits("web", "CreateContainerConfigError", "")}, pulled: pulled("app:b", "")},
		"it runs":                           {statuses: []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}, pulled: pulled("app:b", "")},
		"a status without a state":          {statuses: []corev1.ContainerStatus{{Name: "web"}}, pulled: pulled()},
		"a container of somebody's webhook": {statuses: []corev1.ContainerStatus{ends("proxy", "Completed", "r/p@sha256:p")}, pulled: pulled()},
		"one of the two is missing": {
			statuses: []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b"), waits("log", "ErrImagePull", "not found")},
			pulled:   pulled("app:b", "sha256:b"), failure: &Failure{Image: "log:2", Reason: "ErrImagePull", Message: "not found"},
		},
		"two containers of an image, and the registry is asked for one of them in vain": {
			statuses: []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b"), waits("log", "ErrImagePull", "down")},
			edit: func(pod *corev1.Pod) {
				pod.Annotations[appsv1beta1.RehearsalStateAnnotation] = `{"images":{"web":"app:b","log":"app:b"}}`
			},
			pulled: pulled(), failure: &Failure{Image: "app:b", Reason: "ErrImagePull", Message: "down"},
		},
		"it backs off":      {statuses: []corev1.ContainerStatus{waits("web", "ImagePullBackOff", "m")}, pulled: pulled(), failure: &Failure{Image: "app:b", Reason: "ImagePullBackOff", Message: "m"}},
		"no name":           {statuses: []corev1.ContainerStatus{waits("web", "InvalidImageName", "m")}, pulled: pulled(), failure: &Failure{Image: "app:b", Reason: "InvalidImageName", Message: "m"}},
		"never pulled":      {statuses: []corev1.ContainerStatus{waits("web", "ErrImageNeverPull", "m")}, pulled: pulled(), failure: &Failure{Image: "app:b", Reason: "ErrImageNeverPull", Message: "m"}},
		"it cannot be read": {statuses: []corev1.ContainerStatus{waits("web", "ImageInspectError", "m")}, pulled: pulled(), failure: &Failure{Image: "app:b", Reason: "ImageInspectError", Message: "m"}},
		"the node is full": {
			edit: func(pod *corev1.Pod) {
				pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "OutOfpods", "too many pods"
			},
			pulled: pulled(), failure: &Failure{Reason: "OutOfpods", Message: "too many pods", Impossible: true},
		},
		"it is evicted before it has begun": {
			statuses: []corev1.ContainerStatus{ends("web", "ContainerStatusUnknown", ""), ends("log", "ContainerStatusUnknown", "")},
			edit:     func(pod *corev1.Pod) { pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, "Evicted" },
			pulled:   pulled(), failure: &Failure{Reason: "Evicted", Impossible: true},
		},
		"it is evicted when it was done": {
			statuses: []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b"), ends("log", "StartError", "r/log@sha256:l")},
			edit:     func(pod *corev1.Pod) { pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, "Evicted" },
			pulled:   pulled("app:b", "sha256:b", "log:2", "sha256:l"),
		},
		"a webhook has rewritten the image": {
			statuses: []corev1.ContainerStatus{ends("web", "StartError", "mirror/app@sha256:b")},
			edit:     func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "mirror/app:b" },
			pulled:   pulled("app:b", "sha256:b"),
		},
		"somebody has broken what it was made for": {
			statuses: []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b")},
			edit:     func(pod *corev1.Pod) { pod.Annotations[appsv1beta1.RehearsalStateAnnotation] = "{" },
			pulled:   pulled(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := rehearsalOf("web", "log").Pod()
			pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: tt.statuses}
			if tt.edit != nil {
				tt.edit(pod)
			}
			got := OutcomeOf(pod)
			if diff := cmp.Diff(tt.pulled, got.Pulled); diff != "" {
				t.Errorf("pulled (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.failure, got.Failure); diff != "" {
				t.Errorf("failure (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutcomeTellsOfTheAttemptBefore(t *testing.T) {
	r := rehearsalOf("web")
	r.Attempt, r.Before = 3, &Failure{Image: "app:b", Reason: "ErrImagePull", Message: "refused"}
	pod := r.Pod()
	pod.Status.StartTime = new(metav1.NewTime(testpods.Start()))
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{ends("web", "StartError", "r/app@sha256:b")}
	got := OutcomeOf(pod)
	if got.Attempt != 3 || !cmp.Equal(got.Before, r.Before) || !got.Began.Equal(testpods.Start()) || got.Took != 7*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestAsksAlways(t *testing.T) {
	for image, want := range map[string]bool{
		"app": true, "app:latest": true, "app:v1": false, "registry:5000/app": true, "registry:5000/app:v1": false,
		"app@sha256:abc": false, "app:latest@sha256:abc": true, "app:v1@sha256:abc": false,
	} {
		if got := AsksAlways(&corev1.Container{Image: image}); got != want {
			t.Errorf("%s: got %v", image, got)
		}
	}
	if !AsksAlways(&corev1.Container{Image: "app:v1", ImagePullPolicy: corev1.PullAlways}) {
		t.Error("the policy is not heeded")
	}
	if AsksAlways(&corev1.Container{Image: "app", ImagePullPolicy: corev1.PullNever}) {
		t.Error("the policy is not heeded")
	}
}

func TestHasRun(t *testing.T) {
	template := func(image string) *corev1.PodTemplateSpec {
		t := &corev1.PodTemplateSpec{}
		t.Spec.Containers = []corev1.Container{{Name: "web", Image: image}}
		return t
	}
	serving := testpods.New("web-1", testpods.Container("web", "app:a"), testpods.Serving())
	patched := patchTo(t, testpods.New("web-1", testpods.Container("web", "app:a"), testpods.Drained(testpods.Start())), template("app:b"))
	waiting := testpods.New("web-1", testpods.Container("web", "app:a"))
	waiting.Status.ContainerStatuses[0] = waits("web", "ErrImagePull", "")
	byHand := testpods.New("web-1", testpods.Container("web", "app:a"), testpods.Serving())
	byHand.Spec.Containers[0].Image = "app:b"
	down := testpods.New("web-1", testpods.Container("web", "app:hand"), testpods.Drained(testpods.Start()))
	down.Status.ContainerStatuses[0].State = waits("web", "CrashLoopBackOff", "").State // Its containerID is that of before.
	failed := patchTo(t, down, template("app:b"))
	for name, tt := range map[string]struct {
		pod      *corev1.Pod
		template string
		image    string
		want     bool
	}{
		"it runs it":                              {serving, "app:a", "app:a", true},
		"it runs another":                         {serving, "app:a", "app:b", false},
		"it was patched to it":                    {patched, "app:b", "app:b", false},
		"it ran it before it was patched":         {patched, "app:b", "app:a", true},
		"its image was never pulled":              {waiting, "app:a", "app:a", false},
		"somebody has set the image":              {byHand, "app:a", "app:b", false},
		"somebody has set another":                {byHand, "app:a", "app:a", false},
		"it was down when it was patched":         {failed, "app:b", "app:hand", false},
		"the name of the image is part of others": {patched, "app:b", "app", false},
	} {
		t.Run(name, func(t *testing.T) {
			progress := ProgressOf(tt.pod, nil, func(string) []string { return nil }, testpods.Start())
			if got := HasRun(tt.pod, template(tt.template), &progress, tt.image); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// patchTo patches a pod to a template, with the kubelet yet to act.
func patchTo(t *testing.T, pod *corev1.Pod, template *corev1.PodTemplateSpec) *corev1.Pod {
	t.Helper()
	before := &corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "app:a"}}}}
	patched, err := testpods.Patched(pod, UpdatePatch(pod, Target{Revision: "web-b", Template: template}, Compare(before, template), Progress{}))
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func TestNeeds(t *testing.T) {
	target := Target{Revision: "web-b", Template: rehearsalOf().Template}
	change := Change{Images: []Image{{Container: "web", Image: "app:b", Restarts: true}, {Container: "setup", Image: "setup:2", Init: true}}}
	pod := testpods.New("web-1", testpods.Init("setup", "setup:1"), testpods.Sidecar("mesh", "mesh:1"), testpods.Container("web", "app:a"), testpods.Container("log", "log:2"))
	var names []string
	for _, c := range Needs(pod, target, change, Progress{Unconfirmed: []string{"mesh", "log"}}) {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"mesh", "web"}, names); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}
