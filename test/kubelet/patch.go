package kubelet

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
)

// Patch changes a pod, or with the subresource "status" its status, by a strategic merge patch or a merge patch (RFC
// 7386). metadata.uid and metadata.resourceVersion in the patch are preconditions. The generation grows if and only if
// the spec changed; a patch that changes nothing leaves the resourceVersion alone. As with a real API server, a patch of
// the status cannot touch the spec, and one of the pod cannot touch the status, without an error; labels and annotations
// can be changed through both, and neither through "resize", which changes cpu and memory. Errors: NotFound, Conflict,
// Invalid, BadRequest, or an injected one.
func (w *World) Patch(name string, pt types.PatchType, data []byte, subresource string) (*corev1.Pod, error) {
	verb := "patch"
	if subresource != "" {
		verb += "/" + subresource
	}
	return w.call(verb, name, func() (*corev1.Pod, error) {
		old, err := w.get(name)
		if err != nil {
			return nil, err
		}
		patched, err := applyPatch(old, pt, data)
		if err != nil {
			return nil, err
		}
		if err := checkPreconditions(patched, old); err != nil {
			return nil, err
		}
		if err := prepareForUpdate(patched, old, subresource); err != nil {
			return nil, err
		}
		if subresource == "resize" && patched.Generation != old.Generation {
			if err := w.admitResize(patched); err != nil {
				return nil, err
			}
		}
		return w.replace(patched, old), nil
	})
}

// replace stores a changed pod, unless nothing changed.
func (w *World) replace(next, old *corev1.Pod) *corev1.Pod {
	if apiequality.Semantic.DeepEqual(next, old) {
		return old
	}
	w.store(next, watch.Modified)
	if next.DeletionGracePeriodSeconds != nil && *next.DeletionGracePeriodSeconds == 0 && len(next.Finalizers) == 0 {
		w.drop(next)
	}
	return next
}

func applyPatch(old *corev1.Pod, pt types.PatchType, data []byte) (*corev1.Pod, error) {
	original, err := json.Marshal(old)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	var result []byte
	switch pt {
	case types.StrategicMergePatchType:
		result, err = strategicpatch.StrategicMergePatch(original, data, corev1.Pod{})
	case types.MergePatchType:
		result, err = mergePatch(original, data)
	default:
		err = fmt.Errorf("patch type %s is not supported", pt)
	}
	patched := &corev1.Pod{}
	if err == nil {
		err = json.Unmarshal(result, patched)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return patched, nil
}

// mergePatch applies a merge patch (RFC 7386) to a document.
func mergePatch(original, patch []byte) ([]byte, error) {
	var target, change any
	if err := json.Unmarshal(original, &target); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return nil, err
	}
	return json.Marshal(merge(target, change))
}

func merge(target, change any) any {
	changes, ok := change.(map[string]any)
	if !ok {
		return change
	}
	merged, ok := target.(map[string]any)
	if !ok {
		merged = map[string]any{}
	}
	for key, value := range changes {
		if value == nil {
			delete(merged, key)
		} else {
			merged[key] = merge(merged[key], value)
		}
	}
	return merged
}

func checkPreconditions(patched, old *corev1.Pod) error {
	switch {
	case patched.Name != old.Name:
		return apierrors.NewBadRequest("the name of the object does not match the name on the URL")
	case patched.UID != old.UID:
		return conflict(old.Name, "Precondition failed: UID in precondition: %s, UID in object meta: %s", patched.UID, old.UID)
	case patched.ResourceVersion != "" && patched.ResourceVersion != old.ResourceVersion:
		return conflict(old.Name, "the object has been modified; please apply your changes to the latest version and try again")
	}
	return nil
}

// prepareForUpdate takes back what the endpoint does not change, and refuses what no endpoint does.
func prepareForUpdate(next, old *corev1.Pod, subresource string) error {
	next.Generation, next.ResourceVersion = old.Generation, old.ResourceVersion
	next.CreationTimestamp = old.CreationTimestamp
	next.DeletionTimestamp, next.DeletionGracePeriodSeconds = old.DeletionTimestamp, old.DeletionGracePeriodSeconds
	switch subresource {
	case "":
		next.Status = old.Status
		return updateSpec(next, old)
	case "status":
		next.Spec, next.OwnerReferences = old.Spec, old.OwnerReferences
		keepObservedGenerations(&next.Status, &old.Status)
		return nil
	case "resize":
		return prepareForResize(next, old)
	}
	return apierrors.NewNotFound(podResource, old.Name+"/"+subresource)
}

// updateSpec counts the generation, if the change is one of the few that a pod allows.
func updateSpec(next, old *corev1.Pod) error {
	if apiequality.Semantic.DeepEqual(next.Spec, old.Spec) {
		return nil
	}
	allowed := *old.Spec.DeepCopy()
	allowed.ActiveDeadlineSeconds, allowed.Tolerations = next.Spec.ActiveDeadlineSeconds, next.Spec.Tolerations
	copyImages(allowed.InitContainers, next.Spec.InitContainers)
	copyImages(allowed.Containers, next.Spec.Containers)
	if !apiequality.Semantic.DeepEqual(next.Spec, allowed) {
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, old.Name, field.ErrorList{
			field.Forbidden(field.NewPath("spec"), "only images, activeDeadlineSeconds and tolerations of a pod can change"),
		})
	}
	next.Generation++
	return nil
}

func copyImages(to, from []corev1.Container) {
	for i := range min(len(to), len(from)) {
		if from[i].Image != "" {
			to[i].Image = from[i].Image
		}
	}
}

// keepObservedGenerations brings back the generations that a client, older than the field, left out of a status.
func keepObservedGenerations(next, old *corev1.PodStatus) {
	if next.ObservedGeneration == 0 {
		next.ObservedGeneration = old.ObservedGeneration
	}
	for i := range next.Conditions {
		c := &next.Conditions[i]
		for _, before := range old.Conditions {
			if c.ObservedGeneration == 0 && before.Type == c.Type {
				c.ObservedGeneration = before.ObservedGeneration
			}
		}
	}
}
