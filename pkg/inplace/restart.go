package inplace

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// asksForRestart tells whether a template asks for a restart that another one did not ask for. A time that lies before the one
// asked for already does not, nor does taking it out: that is a way back, and the containers were restarted since.
func asksForRestart(old, new *corev1.PodTemplateSpec) bool {
	before, after := old.Annotations[appsv1beta1.RestartedAtAnnotation], new.Annotations[appsv1beta1.RestartedAtAnnotation]
	if after == "" || before == after {
		return false
	}
	was, errBefore := time.Parse(time.RFC3339, before)
	is, errAfter := time.Parse(time.RFC3339, after)
	return errBefore != nil || errAfter != nil || is.After(was)
}

// Spared returns those of the pending containers of a pod that a template asks no restart for, though the one that they were left
// pending for did: it has for them what the revision has whose image they still have, and nothing newer.
func Spared(pod *corev1.Pod, progress *Progress, template *corev1.PodTemplateSpec, revisions map[string]*corev1.PodTemplateSpec) []string {
	if len(progress.Pending) == 0 {
		return nil
	}
	state := trusted(pod)
	if state == nil {
		return nil
	}
	var spared []string
	for _, name := range progress.Pending {
		from := revisions[state.From[name]]
		if from == nil || asksForRestart(from, template) {
			continue
		}
		had, _ := container(&from.Spec, name)
		if wants, _ := container(&template.Spec, name); had != nil && wants != nil && had.Image == wants.Image {
			spared = append(spared, name)
		}
	}
	return spared
}

// Running is what a container of a pod was seen to run.
type Running struct {
	// Asked is the image that the pod asks for.
	Asked string
	// Digest is that of what runs. It is empty if it is not known that what runs is what the pod asks for.
	Digest string
	// Registry is the digest by which a registry knows what the pod asks for, if that is known.
	Registry string
}

// Runs returns what a container of a pod was seen to run. The zero value is that of a container which the pod lacks.
func Runs(pod *corev1.Pod, progress *Progress, name string) Running {
	asked, _ := container(&pod.Spec, name)
	status := containerStatus(pod, name)
	if asked == nil {
		return Running{}
	}
	r := Running{Asked: asked.Image, Registry: RegistryDigest(asked.Image)}
	if status == nil || status.ContainerID == "" || progress.isUnsure(name) {
		return r
	}
	r.Digest = Digest(status.ImageID)
	if r.Registry == "" {
		r.Registry = RegistryDigest(status.ImageID)
	}
	return r
}

// IsNew tells whether a container of a pod can be none from before its last patch: it was never patched, or its digest differs.
// Any other may be one whose kubelet has said nothing for long, as while it pulls.
func IsNew(pod *corev1.Pod, name string) bool {
	status, state := containerStatus(pod, name), trusted(pod)
	if state == nil || status == nil {
		return pod.Generation <= 1 // Somebody may have removed the state.
	}
	digest := Digest(status.ImageID)
	return !slices.ContainsFunc(state.Records, func(r Record) bool {
		was := Digest(r.ImageID)
		return r.Name == status.Name && (r.ContainerID == "" || r.ContainerID == status.ContainerID || was == "" || was == digest)
	})
}

// isUnsure tells whether a container may not run yet what the pod asks for.
func (p *Progress) isUnsure(name string) bool {
	return slices.Contains(p.Unconfirmed, name) || slices.Contains(p.Pending, name)
}
