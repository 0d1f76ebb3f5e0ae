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
	// Rules say how the containers are updated. They may be nil.
	Rules Rules
	// Failed tells that the pod HasFailed already. Where the patch restarts nothing, the State keeps it.
	Failed bool
	// At is when the patch is made. It may be zero: then the State does not tell.
	At time.Time
}

type object map[string]any

// DrainPatch returns the strategic merge patch of pods/status that takes a pod out of service; why says what for. The
// condition that has to be True before the pod is patched, if there is one, is set to False with it, so that what it said
// of an earlier drain does not count. It is conditioned on the pod's UID. A State that is ahead of the pod, since its patch
// changed nothing or somebody wrote it, would be taken for that of a patch after this drain: then it is set right by the
// same patch, on the resourceVersion.
func DrainPatch(pod *corev1.Pod, why string, until corev1.PodConditionType, now time.Time) []byte {
	metadata := object{"uid": pod.UID}
	if state := trusted(pod); state != nil && state.Generation > pod.Generation {
		state.Generation = pod.Generation
		metadata["resourceVersion"] = pod.ResourceVersion
		metadata["annotations"] = object{appsv1beta1.InPlaceStateAnnotation: string(encode(state))}
	}
	conditions := []corev1.PodCondition{gateCondition(pod, corev1.PodCondition{
		Status:  corev1.ConditionFalse,
		Reason:  appsv1beta1.GateReasonDraining,
		Message: withGeneration("taken out of service "+why, pod),
	}, now)}
	if until != "" {
		conditions = append(conditions, corev1.PodCondition{
			Type: until, Status: corev1.ConditionFalse, Reason: appsv1beta1.GateReasonDraining,
			Message:            "the pod is being taken out of service " + why,
			LastTransitionTime: metav1.NewTime(now),
		})
	}
	return statusConditions(metadata, conditions...)
}

// ServePatch returns the strategic merge patch of pods/status that brings a pod into service. It is conditioned on the
// pod's UID and, where it tells by the State that the pod has the amounts that it was promised, on its resourceVersion.
func ServePatch(pod *corev1.Pod, now time.Time) []byte {
	metadata := object{"uid": pod.UID}
	if state := ended(pod); state != nil {
		metadata["resourceVersion"] = pod.ResourceVersion
		metadata["annotations"] = object{appsv1beta1.InPlaceStateAnnotation: string(encode(state))}
	}
	return statusConditions(metadata, gateCondition(pod, corev1.PodCondition{
		Status:  corev1.ConditionTrue,
		Reason:  appsv1beta1.GateReasonInService,
		Message: withGeneration("may be sent traffic", pod), // Said, because a merge would keep the message of the drain.
	}, now))
}

func gateCondition(pod *corev1.Pod, condition corev1.PodCondition, now time.Time) corev1.PodCondition {
	condition.Type = appsv1beta1.InPlaceUpdateReady
	condition.LastTransitionTime = metav1.NewTime(now)
	condition.ObservedGeneration = pod.Generation
	return condition
}

func statusConditions(metadata object, conditions ...corev1.PodCondition) []byte {
	return encode(object{"metadata": metadata, "status": object{"conditions": conditions}})
}

// UpdatePatch returns the strategic merge patch of a pod that brings it closer to the target: the images, labels and
// annotations of the change and the revision label, and for containers that are restarted, or a pod that had failed, the
// State. Containers that an earlier patch left unconfirmed or pending are patched too. Of all of them only those of the
// highest priority are patched at once; the others are left pending in the State, and go with a later patch once the
// Progress MayGoOn. The patch is conditioned on the pod's UID and, where it writes the State or changes what never ran, on
// its resourceVersion.
func UpdatePatch(pod *corev1.Pod, target Target, change Change, progress Progress) []byte {
	now, pending := Next(pod, target, change, progress)
	chosen := chosenImages(wantedImages(pod, target, change, &progress), pending, target.Template)
	metadata := object{"uid": pod.UID, "labels": labels(change, target.Revision)}
	annotations := asAny(change.Annotations)
	state := nextState(pod, target, &patching{now, pending, nextResizes(pod, trusted(pod), change.Resizes)}, &progress)
	if state != nil {
		state.Images = chosen
		annotations[appsv1beta1.InPlaceStateAnnotation] = string(encode(state))
	}
	if state != nil || (NeverRan(pod) && (len(now) > 0 || change.Restart)) {
		metadata["resourceVersion"] = pod.ResourceVersion
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	patch := object{"metadata": metadata}
	if spec := imagesPatch(now); len(spec) > 0 {
		patch["spec"] = spec
	}
	return encode(patch)
}

// ConfirmPatch returns the strategic merge patch of a pod that ends an update made in service: the State tells that the
// containers run what they were patched to, and no more of amounts that the pod has. It is conditioned on the pod's UID and
// resourceVersion. An update of a drained pod is ended by ServePatch.
func ConfirmPatch(pod *corev1.Pod) []byte {
	state := State{Version: stateVersion, Revision: pod.Labels[appsv1beta1.RevisionLabel], Generation: pod.Generation}
	if old := trusted(pod); old != nil {
		state.Revision, state.Generation, state.Pending = old.Revision, askedAt(pod, old), pendingOf(pod, old)
		state.Resizes = settledResizes(pod, old)
		state.Images, state.From = old.Images, old.From
		state.Failed, state.Since = old.Failed, old.Since
		for _, r := range old.Records {
			r.Done = true
			state.Records = append(state.Records, r)
		}
	}
	return encode(object{"metadata": object{
		"uid": pod.UID, "resourceVersion": pod.ResourceVersion,
		"annotations": object{appsv1beta1.InPlaceStateAnnotation: string(encode(state))},
	}})
}

// chosenImages returns the images of the containers that are patched later, where they are not those of the template.
func chosenImages(wanted []Image, pending []string, template *corev1.PodTemplateSpec) map[string]string {
	var chosen map[string]string
	for _, i := range wanted {
		c, _ := container(&template.Spec, i.Container)
		if !slices.Contains(pending, i.Container) || c == nil || c.Image == i.Image {
			continue
		}
		if chosen == nil {
			chosen = map[string]string{}
		}
		chosen[i.Container] = i.Image
	}
	return chosen
}

// wantedImages returns the images that the pod is to have: those of the change, and those of the containers that an
// earlier patch left unconfirmed or pending.
func wantedImages(pod *corev1.Pod, target Target, change Change, progress *Progress) []Image {
	wanted := slices.Clone(change.Images)
	for _, name := range slices.Concat(progress.Unconfirmed, progress.Pending) {
		if slices.ContainsFunc(wanted, func(i Image) bool { return i.Container == name }) {
			continue
		}
		if c, init := container(&target.Template.Spec, name); c != nil {
			wanted = append(wanted, Image{Container: name, Image: chosenBefore(pod, name, c.Image, progress), Init: init, Restarts: true})
		}
	}
	return inOrderOf(&pod.Spec, wanted)
}

// chosenBefore returns the image of a container whose restart was begun by an earlier patch: the one that was chosen then, as long as
// it may stand for the one in the template.
func chosenBefore(pod *corev1.Pod, name, image string, progress *Progress) string {
	chosen := ""
	if asked, _ := container(&pod.Spec, name); asked != nil {
		chosen = asked.Image
	}
	if slices.Contains(progress.Pending, name) {
		chosen = ""
		if state := trusted(pod); state != nil {
			chosen = state.Images[name]
		}
	}
	if chosen != "" && StandsFor(chosen, image) {
		return chosen
	}
	return image
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

// patching is what a patch does, and leaves to be done.
type patching struct {
	now     []Image
	pending []string
	resizes []Resize
}

// nextState returns the state to be kept with the patch, or nil if the one that is there, or none, says it all.
func nextState(pod *corev1.Pod, target Target, what *patching, progress *Progress) *State {
	old := trusted(pod)
	next := &State{Version: stateVersion, Revision: target.Revision, Pending: what.pending, Resizes: what.resizes}
	if NeverRan(pod) { // Whatever the state asks to confirm never was.
		next.Generation = max(pod.Generation, 1)
		return next.unlessEmpty(old)
	}
	if old != nil {
		next.Generation, next.InService = askedAt(pod, old), old.InService
		next.Records = old.kept(target.Revision, progress)
	}
	for _, image := range what.now {
		if current, _ := container(&pod.Spec, image.Container); current.Image != image.Image {
			next.patches(pod, current, image, old)
		}
	}
	next.From = sources(pod, old, what.pending)
	next.promises(pod)
	next.Records = bounded(next.Records)
	next.Failed = len(next.undone())+len(next.Pending) == 0 && hadFailed(old, &target)
	next.Since = broughtAt(old, &target)
	left := len(next.undone()) + len(next.Pending) + len(next.Resizes)
	if left > 0 || next.Failed || (old != nil && old.unfinished()) {
		next.Generation = max(next.Generation, 1)
		next.InService = next.InService && len(next.undone()) > 0
		return next
	}
	return nil
}

// sources returns the revisions whose images those containers have that a patch leaves pending: that of the pod, and of one
// that was pending before that which it had then.
func sources(pod *corev1.Pod, old *State, pending []string) map[string]string {
	var from map[string]string
	for _, name := range pending {
		revision := pod.Labels[appsv1beta1.RevisionLabel]
		if old != nil && slices.Contains(old.Pending, name) {
			revision = old.From[name]
		}
		if revision == "" {
			continue
		}
		if from == nil {
			from = map[string]string{}
		}
		from[name] = revision
	}
	return from
}

// hadFailed tells whether something was wrong with a pod before it was first patched to the target.
func hadFailed(old *State, target *Target) bool {
	if old != nil && old.Revision == target.Revision {
		return old.Failed
	}
	return target.Failed
}

// broughtAt returns when a pod was first patched to the target, as far as that is known.
func broughtAt(old *State, target *Target) *metav1.Time {
	if old != nil && old.Revision == target.Revision {
		return old.Since
	}
	if target.At.IsZero() {
		return nil
	}
	return new(metav1.NewTime(target.At))
}

// patches adds to the state that the patch changes an image. A pod whose gate is on then is in service.
func (s *State) patches(pod *corev1.Pod, current *corev1.Container, image Image, old *State) {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	s.Generation, s.InService = pod.Generation+1, gate == nil || isOn(gate)
	if image.Restarts {
		s.Records = undoneOnly(s.Records, current.Name)
		s.Records = append(s.Records, record(pod, current, old, s.Records))
	}
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
