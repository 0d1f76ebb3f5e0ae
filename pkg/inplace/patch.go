package inplace

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Target is what a pod is to be brought to.
type Target struct {
	// Revision is the name of the revision.
	Revision string
	// Template is the template of the revision.
	Template *corev1.PodTemplateSpec
}

type object map[string]any

// DrainPatch returns the strategic merge patch of pods/status that takes a pod out of service. It is conditioned on the
// pod's UID.
func DrainPatch(pod *corev1.Pod, target string, now time.Time) []byte {
	return gatePatch(pod, corev1.PodCondition{
		Status:  corev1.ConditionFalse,
		Reason:  appsv1beta1.GateReasonDraining,
		Message: "taken out of service for an in-place update to " + target,
	}, now)
}

// ServePatch returns the strategic merge patch of pods/status that brings a pod into service. It is conditioned on the
// pod's UID.
func ServePatch(pod *corev1.Pod, now time.Time) []byte {
	return gatePatch(pod, corev1.PodCondition{
		Status:  corev1.ConditionTrue,
		Reason:  appsv1beta1.GateReasonInService,
		Message: "may be sent traffic", // Said, because a merge would keep the message of the drain.
	}, now)
}

func gatePatch(pod *corev1.Pod, condition corev1.PodCondition, now time.Time) []byte {
	condition.Type = appsv1beta1.InPlaceUpdateReady
	condition.LastTransitionTime = metav1.NewTime(now)
	condition.ObservedGeneration = pod.Generation
	return encode(object{
		"metadata": object{"uid": pod.UID},
		"status":   object{"conditions": []corev1.PodCondition{condition}},
	})
}

// UpdatePatch returns the strategic merge patch of a pod that brings it to the target: the images, labels and
// annotations of the change and the revision label, and for containers that are restarted the State. Containers that an
// earlier patch left unconfirmed are patched too. It is conditioned on the pod's UID and, where a container is
// restarted, on its resourceVersion.
func UpdatePatch(pod *corev1.Pod, target Target, change Change, unconfirmed []string) []byte {
	wanted := wantedImages(pod, target, change, unconfirmed)
	metadata := object{"uid": pod.UID, "labels": labels(change, target.Revision)}
	annotations := asAny(change.Annotations)
	if state := nextState(pod, target, wanted, unconfirmed); state != nil {
		annotations[appsv1beta1.InPlaceStateAnnotation] = string(encode(state))
		metadata["resourceVersion"] = pod.ResourceVersion
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	patch := object{"metadata": metadata}
	if spec := imagesPatch(wanted); len(spec) > 0 {
		patch["spec"] = spec
	}
	return encode(patch)
}

// wantedImages returns the images to be patched: those of the change, and those of the unconfirmed containers.
func wantedImages(pod *corev1.Pod, target Target, change Change, unconfirmed []string) []Image {
	wanted := slices.Clone(change.Images)
	for _, name := range unconfirmed {
		if slices.ContainsFunc(wanted, func(i Image) bool { return i.Container == name }) {
			continue
		}
		if c, init := container(&target.Template.Spec, name); c != nil {
			wanted = append(wanted, Image{Container: name, Image: c.Image, Init: init, Restarts: true})
		}
	}
	return inOrderOf(&pod.Spec, wanted)
}

// inOrderOf returns the images in the order of the pod's containers: a strategic merge orders containers as the patch
// does, and the API server refuses another order. Containers that the pod lacks, since somebody's webhook took them out,
// cannot be patched into it.
func inOrderOf(spec *corev1.PodSpec, wanted []Image) []Image {
	ordered := make([]Image, 0, len(wanted))
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			at := slices.IndexFunc(wanted, func(image Image) bool { return image.Container == list[i].Name })
			if at >= 0 {
				ordered = append(ordered, wanted[at])
			}
		}
	}
	return ordered
}

// nextState returns the state to be kept with the patch, or nil if no container has to be waited for.
func nextState(pod *corev1.Pod, target Target, wanted []Image, unconfirmed []string) *State {
	next := &State{Version: stateVersion, Revision: target.Revision}
	old := ReadState(pod)
	if old != nil {
		next.Generation = old.Generation
		next.Records = slices.DeleteFunc(old.Records, func(r Record) bool {
			return !slices.Contains(unconfirmed, r.Name)
		})
	}
	for _, image := range wanted {
		current, _ := container(&pod.Spec, image.Container)
		if current.Image == image.Image {
			continue
		}
		next.Generation = pod.Generation + 1
		if image.Restarts {
			next.Records = append(next.Records, record(pod, current, old, next.Records))
		}
	}
	if len(next.Records) == 0 {
		return nil
	}
	return next
}

// record tells what a container was. The container that the status shows is taken for one of the current image, unless
// that image was asked for in between and the kubelet had not seen it when it wrote the status: then it is of an image
// asked for before, nobody knows of which.
func record(pod *corev1.Pod, current *corev1.Container, old *State, earlier []Record) Record {
	r := Record{Name: current.Name, Image: current.Image}
	status := containerStatus(pod, current.Name)
	if status == nil || recorded(earlier, status.ContainerID) {
		return r
	}
	inBetween := slices.ContainsFunc(earlier, func(e Record) bool { return e.Name == current.Name })
	if !inBetween || (pod.Status.ObservedGeneration != 0 && reached(pod, old)) {
		r.ImageID, r.ContainerID = status.ImageID, status.ContainerID
	}
	return r
}

func imagesPatch(wanted []Image) object {
	spec := object{}
	for _, list := range []struct {
		key  string
		init bool
	}{{"containers", false}, {"initContainers", true}} {
		var images []object
		for _, i := range wanted {
			if i.Init == list.init {
				images = append(images, object{"name": i.Container, "image": i.Image})
			}
		}
		if len(images) > 0 {
			spec[list.key] = images
		}
	}
	return spec
}

func labels(change Change, revision string) object {
	all := asAny(change.Labels)
	all[appsv1beta1.RevisionLabel] = revision
	return all
}

// asAny makes JSON null of nil, which removes a key.
func asAny(values map[string]*string) object {
	all := object{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if values[key] == nil {
			all[key] = nil
		} else {
			all[key] = *values[key]
		}
	}
	return all
}

// encode returns the JSON of a value made of maps, strings and numbers, which always has one.
func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return data
}
