package inplace

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// Image is one image to be set in a pod.
type Image struct {
	// Container is the name of the container.
	Container string
	// Image is the new image.
	Image string
	// Init tells that the container stands among the init containers.
	Init bool
	// Restarts tells that the container is restarted by the change: it is an ordinary container or a native sidecar.
	// An ordinary init container has run; its new image takes effect when the pod's sandbox starts the next time.
	Restarts bool
	// Again tells that the image is the one of before: the container is restarted because that was asked for. Another takes
	// care that the pod asks for it by another name.
	Again bool
}

// Change is what brings a pod from one template to another.
type Change struct {
	// Field is the JSON path, in the owner of the template, of the first field that needs a new pod. It is empty if
	// the change can be made in place.
	Field string
	// Why says why, where it is not that the field cannot be changed in a pod.
	Why string
	// Restart tells that a restart of all containers is asked for.
	Restart bool
	// Images are the images that differ, and those of the containers that are restarted with the image that they have.
	Images []Image
	// Resizes are the amounts of cpu and memory that differ and that can be changed in a pod, and ResizeField is the path of
	// the first of them.
	Resizes     []Resize
	ResizeField string
	// Labels and Annotations are the keys that differ, with nil for those to be removed.
	Labels, Annotations map[string]*string
}

// InPlace tells whether the change can be made without a new pod.
func (c *Change) InPlace() bool { return c.Field == "" }

// Restarts tells whether the change restarts a container.
func (c *Change) Restarts() bool {
	return slices.ContainsFunc(c.Images, func(i Image) bool { return i.Restarts }) ||
		slices.ContainsFunc(c.Resizes, func(r Resize) bool { return r.Restarts })
}

// Latent returns the ordinary init containers whose image differs.
func (c *Change) Latent() []string {
	var names []string
	for _, i := range c.Images {
		if !i.Restarts {
			names = append(names, i.Container)
		}
	}
	return names
}

// Compare returns what brings a pod made from the template old to the template new. It compares templates and never
// looks at a pod: the API server's defaults and other people's webhooks are in pods. A default that one of the templates
// spells out is no difference.
func Compare(old, new *corev1.PodTemplateSpec) Change {
	restart := asksForRestart(old, new)
	change := Change{
		Restart:     restart,
		Images:      images(&old.Spec, &new.Spec, restart),
		Labels:      keys(old.Labels, new.Labels),
		Annotations: keys(old.Annotations, new.Annotations),
	}
	change.Resizes, change.ResizeField = resizes(&old.Spec, &new.Spec)
	change.Field = forcing(old, new, &change)
	if why := resizeForces(&old.Spec, &new.Spec, change.Resizes); why != "" {
		change.Forgo(why)
	}
	return change
}

// forcing returns the path of the first field that needs a new pod, or nothing.
func forcing(old, new *corev1.PodTemplateSpec, change *Change) string {
	if !equality.Semantic.DeepEqual(old.Finalizers, new.Finalizers) {
		return "spec.template.metadata.finalizers"
	}
	// With the images, and the amounts that can be, made equal, whatever still differs cannot be changed in a pod.
	if same := withImages(&old.Spec, &new.Spec); !sameSpec(same, &new.Spec) {
		return specPath(withDefaults(same), withDefaults(&new.Spec))
	}
	return envFromMetadata(&new.Spec, change)
}

// specPath returns the path of the first difference of two pod specs.
func specPath(a, b *corev1.PodSpec) string {
	const root = "spec.template.spec"
	converter := runtime.DefaultUnstructuredConverter
	left, errLeft := converter.ToUnstructured(a)
	right, errRight := converter.ToUnstructured(b)
	if errLeft != nil || errRight != nil {
		return root
	}
	if path, differ := firstDifference(root, left, right); differ {
		return path
	}
	return root
}

// firstDifference returns the path of the first value, in the order of the keys, that a and b do not share.
func firstDifference(path string, a, b any) (string, bool) {
	switch left := a.(type) {
	case map[string]any:
		if right, ok := b.(map[string]any); ok {
			return firstDifferenceOfMaps(path, left, right)
		}
	case []any:
		if right, ok := b.([]any); ok {
			return firstDifferenceOfLists(path, left, right)
		}
	default:
		return path, !equality.Semantic.DeepEqual(a, b)
	}
	return path, true
}

func firstDifferenceOfMaps(path string, a, b map[string]any) (string, bool) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		left, inA := a[key]
		right, inB := b[key]
		here := path + "." + key
		if inA != inB {
			return here, true
		}
		if found, differ := firstDifference(here, left, right); differ {
			return found, true
		}
	}
	return path, false
}

func firstDifferenceOfLists(path string, a, b []any) (string, bool) {
	for i := range min(len(a), len(b)) {
		if found, differ := firstDifference(fmt.Sprintf("%s[%d]", path, i), a[i], b[i]); differ {
			return found, true
		}
	}
	return fmt.Sprintf("%s[%d]", path, min(len(a), len(b))), len(a) != len(b)
}

// withImages returns a copy of old with the images of new, and its cpu and memory, place by place. Where another container
// stands at a place, its name differs still, and that is what is to be named, not its image.
func withImages(old, new *corev1.PodSpec) *corev1.PodSpec {
	same := *old
	same.Containers = takeImages(old.Containers, new.Containers)
	same.InitContainers = takeImages(old.InitContainers, new.InitContainers)
	takeResources(same.Containers, new.Containers, false)
	takeResources(same.InitContainers, new.InitContainers, true)
	return &same
}

func takeImages(old, new []corev1.Container) []corev1.Container {
	same := slices.Clone(old)
	for i := range min(len(same), len(new)) {
		same[i].Image = new[i].Image
	}
	return same
}

// images returns the images that differ, of the containers that stand at the same place in both, and, where a restart is
// asked for, those of all others that run.
func images(old, new *corev1.PodSpec, restart bool) []Image {
	return append(
		imagesOf(old.InitContainers, new.InitContainers, true, restart),
		imagesOf(old.Containers, new.Containers, false, restart)...)
}

func imagesOf(old, new []corev1.Container, init, restart bool) []Image {
	var differ []Image
	for i := range min(len(old), len(new)) {
		image := Image{
			Container: new[i].Name, Image: new[i].Image, Init: init, Restarts: !init || isSidecar(&new[i]),
			Again: old[i].Image == new[i].Image,
		}
		if old[i].Name == new[i].Name && (!image.Again || (restart && image.Restarts)) {
			differ = append(differ, image)
		}
	}
	return differ
}

// isSidecar tells whether an init container is a native sidecar.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// keys returns the keys of new that differ from old, with nil for those that new lacks.
func keys(old, new map[string]string) map[string]*string {
	differ := map[string]*string{}
	for key := range old {
		if _, ok := new[key]; !ok {
			differ[key] = nil
		}
	}
	for key, value := range new {
		if before, ok := old[key]; !ok || before != value {
			differ[key] = &value
		}
	}
	return differ
}

// envFromMetadata returns the path of the first changed label or annotation that a container reads into its
// environment. The kubelet sets the environment once, when it makes a container; a pod patched in place would go on
// with the old value in the containers that are not restarted.
func envFromMetadata(spec *corev1.PodSpec, change *Change) string {
	read := map[string]bool{}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, env := range containers[i].Env {
				if env.ValueFrom != nil && env.ValueFrom.FieldRef != nil {
					read[env.ValueFrom.FieldRef.FieldPath] = true
				}
			}
		}
	}
	if key := firstRead(read, "labels", change.Labels); key != "" {
		return key
	}
	return firstRead(read, "annotations", change.Annotations)
}

func firstRead(read map[string]bool, kind string, changed map[string]*string) string {
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		if read[fmt.Sprintf("metadata.%s['%s']", kind, key)] {
			return fmt.Sprintf("spec.template.metadata.%s[%s]", kind, key)
		}
	}
	return ""
}
