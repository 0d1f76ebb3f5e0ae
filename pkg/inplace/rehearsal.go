package inplace

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	// rehearsalCommand is what the containers of a rehearsal are told to run. No image has it: the image is pulled, the start
	// fails, and nothing of the image is ever executed.
	rehearsalCommand = "/insitu-rehearsal"
	// rehearsalUser is whom they would run as. Pod Security asks for somebody who is not root, and without a number the
	// kubelet refuses an image of root's before it tells its digest.
	rehearsalUser = 65534
)

// Rehearsal is a pod that has one node pull images before any container there is stopped for them. It is not one of the
// workload's pods: it has none of their labels, and never becomes ready.
type Rehearsal struct {
	// Namespace is that of the workload, and Prefix what the name of the pod begins with.
	Namespace, Prefix string
	// Owner is the workload: the pod goes with it.
	Owner metav1.OwnerReference
	// Node is where the images are pulled.
	Node string
	// Revision is the name of the revision whose Template has the images.
	Revision string
	Template *corev1.PodTemplateSpec
	// Containers are the containers and native sidecars of the template whose images are pulled.
	Containers []string
	// Images are what is pulled for them, where it is not what the template says.
	Images map[string]string
	// Always are the containers whose image the registry is asked for though the node may have it, whatever the template says.
	Always map[string]bool
	// Attempt counts the rehearsals of the same images on the same node, and Before is why the last one was given up.
	Attempt int
	Before  *Failure
}

// Failure is why an image could not be rehearsed on a node.
type Failure struct {
	// Image is the image, if it is one of several that is to blame.
	Image string `json:"image,omitempty"`
	// Reason is one word, the kubelet's where it has one, and Message for people, in the registry's own words if these are
	// known.
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// Impossible tells that nothing was found out about the image, since the pod could not run.
	Impossible bool `json:"impossible,omitempty"`
}

// rehearsalState is what is recorded on the pod.
type rehearsalState struct {
	// Images are the images that were asked for, by container. Those in the spec may be others: webhooks rewrite them.
	Images map[string]string `json:"images"`
	// Always are the containers whose image the registry was asked for.
	Always  []string `json:"always,omitempty"`
	Attempt int      `json:"attempt,omitempty"`
	Before  *Failure `json:"before,omitempty"`
}

// IsRehearsal tells whether an object is the pod of a rehearsal.
func IsRehearsal(object metav1.Object) bool {
	labels := object.GetLabels()
	_, revision := labels[appsv1beta1.RehearsalLabel]
	return revision && labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelRehearsal
}

// Pod returns the pod of the rehearsal. Its name follows from what it is for, so that a creation whose answer was lost is
// found out when it is tried again. It pulls with the credentials of the workload, where the workload may run, and asks for
// next to nothing.
func (r *Rehearsal) Pod() *corev1.Pod {
	state := rehearsalState{Images: map[string]string{}, Attempt: r.Attempt, Before: r.Before}
	spec := &r.Template.Spec
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.name(), Namespace: r.Namespace, OwnerReferences: []metav1.OwnerReference{r.Owner},
			Labels: map[string]string{
				appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelRehearsal, appsv1beta1.RehearsalLabel: r.Revision,
			},
		},
		Spec: corev1.PodSpec{
			NodeName:                      r.Node,
			RestartPolicy:                 corev1.RestartPolicyNever,
			ServiceAccountName:            spec.ServiceAccountName,
			DeprecatedServiceAccount:      spec.DeprecatedServiceAccount,
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			ImagePullSecrets:              spec.ImagePullSecrets,
			RuntimeClassName:              spec.RuntimeClassName,
			Tolerations:                   spec.Tolerations,
			OS:                            spec.OS,
			TerminationGracePeriodSeconds: new(int64),
			SecurityContext:               podSecurity(spec),
		},
	}
	for _, name := range r.Containers {
		if c, _ := container(spec, name); c != nil {
			c = r.asking(c)
			if state.Images[name] = c.Image; AsksAlways(c) {
				state.Always = append(state.Always, name)
			}
			pod.Spec.Containers = append(pod.Spec.Containers, r.container(c))
		}
	}
	pod.Annotations = map[string]string{appsv1beta1.RehearsalStateAnnotation: string(encode(state))}
	return pod
}

func (r *Rehearsal) name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%q/%q/%d", r.Owner.UID, r.Revision, r.Node, r.Containers, r.Images, r.Attempt))
	return fmt.Sprintf("%s-rehearsal-%x", r.Prefix, sum[:5])
}

// asking returns a container with the image that is pulled for it.
func (r *Rehearsal) asking(c *corev1.Container) *corev1.Container {
	if image := r.Images[c.Name]; image != "" {
		c = withImage(c, image)
	}
	if r.Always[c.Name] {
		c = withPolicy(c, corev1.PullAlways)
	}
	return c
}

// as returns a container with the image that a pod asks for, by another name than the template perhaps.
func as(c *corev1.Container, pod *corev1.Pod) *corev1.Container {
	if own, _ := container(&pod.Spec, c.Name); own != nil && own.Image != c.Image {
		return withImage(c, own.Image)
	}
	return c
}

// withImage returns a container with another image and the pull policy that it has in pods that exist: there a default that
// follows from the image was set when they were made.
func withImage(c *corev1.Container, image string) *corev1.Container {
	other := *c
	if other.Image = image; AsksAlways(c) {
		other.ImagePullPolicy = corev1.PullAlways
	}
	return &other
}

func withPolicy(c *corev1.Container, policy corev1.PullPolicy) *corev1.Container {
	other := *c
	other.ImagePullPolicy = policy
	return &other
}

// In returns a container of a template with the pull policy that it has in a pod. That is no matter of the template alone: a
// default follows from the image that the pod was made with, and admission may have set another policy. It stays for as long as
// the pod does.
func In(pod *corev1.Pod, c *corev1.Container) *corev1.Container {
	if own, _ := container(&pod.Spec, c.Name); own != nil && own.ImagePullPolicy != "" && own.ImagePullPolicy != c.ImagePullPolicy {
		return withPolicy(c, own.ImagePullPolicy)
	}
	return c
}

func (r *Rehearsal) container(c *corev1.Container) corev1.Container {
	little := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	rehearsed := corev1.Container{
		Name: c.Name, Image: c.Image, ImagePullPolicy: c.ImagePullPolicy, Command: []string{rehearsalCommand},
		Resources: corev1.ResourceRequirements{Requests: little, Limits: little},
	}
	if !isWindows(&r.Template.Spec) {
		rehearsed.SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
	return rehearsed
}

// podSecurity returns what the restricted profile of Pod Security asks for.
func podSecurity(spec *corev1.PodSpec) *corev1.PodSecurityContext {
	if isWindows(spec) {
		return &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
	}
	return &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(rehearsalUser)), RunAsGroup: new(int64(rehearsalUser)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func isWindows(spec *corev1.PodSpec) bool { return spec.OS != nil && spec.OS.Name == corev1.Windows }

// Outcome is what the pod of a rehearsal tells.
type Outcome struct {
	// Images are those that it was made for.
	Images []string
	// Asked are the images by container.
	Asked map[string]string
	// Always are the containers whose images the registry was asked for.
	Always []string
	// Pulled are the images that its node has, with their digests where these are known.
	Pulled map[string]string
	// Resolved are the digests by which registries know them.
	Resolved map[string]string
	// Failure is why it is not known of all of them, if more is known than that it has to be waited for.
	Failure *Failure
	// Before is why the rehearsal before this one was given up.
	Before *Failure
	// Attempt counts the rehearsals of the same images on the same node.
	Attempt int
	// Began is when the node took the pod up, by the node's clock. It is zero as long as it has not.
	Began time.Time
	// Took is for how long it pulled, if that is told.
	Took time.Duration
	// Ended tells that nothing more will come of the pod.
	Ended bool
}

// OutcomeOf returns what the pod of a rehearsal tells.
func OutcomeOf(pod *corev1.Pod) Outcome {
	state := rehearsalState{}
	if err := json.Unmarshal([]byte(pod.Annotations[appsv1beta1.RehearsalStateAnnotation]), &state); err != nil {
		state = rehearsalState{} // Somebody broke it: the pod tells nothing, and goes.
	}
	o := Outcome{
		Asked: map[string]string{}, Pulled: map[string]string{}, Resolved: map[string]string{},
		Before: state.Before, Attempt: state.Attempt,
		Ended: pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded,
	}
	if pod.Status.StartTime != nil {
		o.Began = pod.Status.StartTime.Time
	}
	o.judgeAll(pod, &state)
	if o.Ended && o.Failure == nil && !o.Proves(o.Images) {
		o.Failure = refusal(pod)
	}
	return o
}

// judgeAll adds what the containers of the pod tell of their images.
func (o *Outcome) judgeAll(pod *corev1.Pod, state *rehearsalState) {
	var missing []string
	for i := range pod.Spec.Containers {
		name := pod.Spec.Containers[i].Name
		image, asked := state.Images[name]
		if !asked {
			continue
		}
		if o.Asked[name] = image; slices.Contains(state.Always, name) || AsksAlways(&pod.Spec.Containers[i]) {
			o.Always = append(o.Always, name)
		}
		if !slices.Contains(o.Images, image) {
			o.Images = append(o.Images, image)
		}
		if !o.judge(image, containerStatus(pod, name)) {
			missing = append(missing, image)
		}
	}
	for _, image := range missing { // Of containers that share it, each has to get it: by its own pull policy.
		delete(o.Pulled, image)
		delete(o.Resolved, image)
	}
}

// Proves tells whether the node has all of some images.
func (o *Outcome) Proves(images []string) bool {
	return !slices.ContainsFunc(images, func(image string) bool { _, pulled := o.Pulled[image]; return !pulled })
}

// judge adds what the status of a container tells of its image, and tells whether the container has got it.
func (o *Outcome) judge(image string, status *corev1.ContainerStatus) bool {
	if status == nil {
		return false
	}
	if ended := status.State.Terminated; ended != nil && !o.Began.IsZero() {
		o.Took = max(o.Took, ended.FinishedAt.Sub(o.Began))
	}
	if waiting := status.State.Waiting; waiting != nil && isPullFailure(waiting.Reason) && status.ImageID == "" {
		o.Failure = cmp.Or(o.Failure, &Failure{Image: image, Reason: waiting.Reason, Message: waiting.Message})
		return false
	}
	if status.ImageID == "" && !isPast(&status.State) {
		return false
	}
	o.got(image, status.ImageID)
	return true
}

// got adds an image that a container has got. Not every container tells its digest.
func (o *Outcome) got(image, imageID string) {
	o.Pulled[image] = cmp.Or(Digest(imageID), o.Pulled[image])
	if digest := RegistryDigest(imageID); digest != "" {
		o.Resolved[image] = digest
	}
}

// isPast tells whether a container can only have come to where it is with its image there: it waits for something else, runs
// or has come to an end. The kubelet calls the state of containers that it never came to unknown.
func isPast(state *corev1.ContainerState) bool {
	switch {
	case state.Waiting != nil:
		return !isPatience(state.Waiting.Reason)
	case state.Terminated != nil:
		return state.Terminated.Reason != "ContainerStatusUnknown"
	}
	return state.Running != nil
}

// refusal returns why a pod came to its end before its images were pulled: the kubelet did not take it, or has evicted it.
func refusal(pod *corev1.Pod) *Failure {
	failure := &Failure{Reason: pod.Status.Reason, Message: pod.Status.Message, Impossible: true}
	if failure.Reason == "" {
		failure.Reason = "Ended"
	}
	return failure
}

// AsksAlways tells whether a kubelet asks the registry for the image of a container whenever the container is started, be
// it there or not: that its node has the image proves less then.
func AsksAlways(c *corev1.Container) bool {
	if c.ImagePullPolicy != "" {
		return c.ImagePullPolicy == corev1.PullAlways
	}
	r := parseReference(c.Image) // The API server's default goes by the tag, also where a digest stands beside it.
	return r.tag == defaultTag || (r.tag == "" && r.digest == "")
}

// ProvesImage tells whether the node has an image, as far as this tells: it is one that was pulled, or one of those is what it says,
// by its digest.
func (o *Outcome) ProvesImage(image string) bool {
	for pulled := range o.Pulled {
		if o.Means(pulled, image) {
			return true
		}
	}
	return false
}

// Means tells whether one of the images that were asked for is another one, by its name or by the digest that it was found to
// have.
func (o *Outcome) Means(asked, image string) bool {
	digest := o.Resolved[asked]
	return asked == image || (digest != "" && SameContent(Pinned(asked, digest), image))
}

// AskedRegistry tells whether the registry was asked for an image, be it on the node or not.
func (o *Outcome) AskedRegistry(image string) bool {
	return slices.ContainsFunc(o.Always, func(name string) bool { return o.Means(o.Asked[name], image) })
}

// Needs returns the containers that the patches which make a change restart with another image than the pod asks for now, or for
// other resources: the kubelet may have to ask the registry for the same one. They are as in the template of the target, but for
// an image that was chosen, and for the pull policy, which is that of the pod.
func Needs(pod *corev1.Pod, target Target, change Change, progress Progress) []*corev1.Container {
	var needs []*corev1.Container
	for _, image := range wantedImages(pod, target, change, &progress) {
		if image.Restarts && changes(&pod.Spec, image) {
			if c, _ := container(&target.Template.Spec, image.Container); c != nil && c.Image != image.Image {
				needs = append(needs, In(pod, withImage(c, image.Image)))
			} else if c != nil {
				needs = append(needs, In(pod, c))
			}
		}
	}
	for _, r := range change.Resizes {
		c, _ := container(&target.Template.Spec, r.Container)
		named := func(need *corev1.Container) bool { return need.Name == r.Container }
		if r.Restarts && c != nil && !slices.ContainsFunc(needs, named) {
			needs = append(needs, In(pod, as(c, pod)))
		}
	}
	return needs
}

// HasRun tells whether a container of a pod has run an image, as far as is known: the node of the pod has it then. The
// template is that of the revision at which the pod is, or nil.
func HasRun(pod *corev1.Pod, template *corev1.PodTemplateSpec, progress *Progress, image string) bool {
	if template != nil && runsImage(pod, &template.Spec, progress, image) {
		return true
	}
	if !strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], image) {
		return false
	}
	state := trusted(pod)
	return state != nil && slices.ContainsFunc(state.Records, func(r Record) bool {
		return r.Image == image && r.ContainerID != "" && !r.Down // The one that was down may be of an image from before.
	})
}

func runsImage(pod *corev1.Pod, spec *corev1.PodSpec, progress *Progress, image string) bool {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if runs(pod, &list[i], image, progress) {
				return true
			}
		}
	}
	return false
}

// runs tells whether a container of a pod was seen to run an image, for the one in its template. One that was patched and not
// confirmed was not, nor is one whose image somebody has set by hand.
func runs(pod *corev1.Pod, wanted *corev1.Container, image string, progress *Progress) bool {
	if !StandsFor(image, wanted.Image) || progress.isUnsure(wanted.Name) {
		return false
	}
	asked, _ := container(&pod.Spec, wanted.Name)
	status := containerStatus(pod, wanted.Name)
	return asked != nil && StandsFor(asked.Image, wanted.Image) && (asked.Image == image || SameContent(asked.Image, image)) &&
		status != nil && status.ContainerID != ""
}
