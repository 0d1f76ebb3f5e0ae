package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const template = "spec.template"

// paths knows where the fields of a pod are in the CloneSet that it was made of.
type paths struct {
	name string
	// volumes are those of the pod, in its order.
	volumes []string
}

func pathsOf(set *appsv1beta1.CloneSet, pod *corev1.Pod) paths {
	places := map[string]string{}
	for i := range set.Spec.Template.Spec.Volumes {
		places[set.Spec.Template.Spec.Volumes[i].Name] = fmt.Sprintf("%s.spec.volumes[%d]", template, i)
	}
	for i := range set.Spec.VolumeClaimTemplates {
		places[set.Spec.VolumeClaimTemplates[i].Name] = fmt.Sprintf("spec.volumeClaimTemplates[%d]", i)
	}
	p := paths{name: set.Name}
	for i := range pod.Spec.Volumes {
		p.volumes = append(p.volumes, places[pod.Spec.Volumes[i].Name])
	}
	return p
}

// of returns the path in the CloneSet of a field of the pod.
func (p paths) of(field string) string {
	if rest, ok := strings.CutPrefix(field, "spec.volumes["); ok {
		return p.ofVolume(field, rest)
	}
	for _, root := range []string{"spec", "metadata.labels", "metadata.annotations", "metadata.finalizers"} {
		if rest, ok := strings.CutPrefix(field, root); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return template + "." + field
		}
	}
	if strings.HasPrefix(field, "metadata.") {
		return field // The pod's name and namespace come from the CloneSet's.
	}
	return template
}

// ofVolume returns the path of a field of a volume, of which rest begins with its number.
func (p paths) ofVolume(field, rest string) string {
	number, below, closed := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	if err != nil || !closed || i < 0 || i >= len(p.volumes) {
		return template + "." + field
	}
	if strings.HasPrefix(p.volumes[i], template) {
		return p.volumes[i] + below
	}
	return p.volumes[i] // A claim has other fields than a volume.
}

// refusal returns what a CloneSet is refused with whose pod is.
func (p paths) refusal(err error) error {
	causes := p.causes(err)
	texts := make([]string, 0, len(causes))
	for _, cause := range causes {
		texts = append(texts, cause.Field+": "+cause.Message)
	}
	kind := appsv1beta1.CloneSetKind
	text := strings.Join(texts, ", ")
	if len(texts) > 1 {
		text = "[" + text + "]"
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("%s %q is invalid: %s", kind.GroupKind(), p.name, text),
		Details: &metav1.StatusDetails{Group: kind.Group, Kind: kind.Kind, Name: p.name, Causes: causes},
	}}
}

// causes returns what is wrong with a pod, each with its field in the CloneSet.
func (p paths) causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	var causes []metav1.StatusCause
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			cause.Field = p.of(cause.Field)
			causes = append(causes, cause)
		}
	}
	if len(causes) == 0 {
		causes = p.unknownFields(err.Error())
	}
	if len(causes) == 0 {
		causes = []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: template, Message: err.Error()}}
	}
	return causes
}

// unknownFields returns the fields that strict decoding did not know. They are told in the text of the error only.
func (p paths) unknownFields(text string) []metav1.StatusCause {
	var causes []metav1.StatusCause
	for _, match := range regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`).FindAllStringSubmatch(text, -1) {
		causes = append(causes, metav1.StatusCause{
			Type: metav1.CauseTypeFieldValueInvalid, Field: p.of(match[2]), Message: match[1] + " field to this API server",
		})
	}
	return causes
}

// warnings returns warnings about a pod as ones about the CloneSet. They begin with a field, if they are about one.
func (p paths) warnings(texts []string) []string {
	moved := make([]string, 0, len(texts))
	for _, text := range texts {
		field, rest, found := strings.Cut(text, ": ")
		if found && (strings.HasPrefix(field, "spec.") || strings.HasPrefix(field, "metadata.")) {
			text = p.of(field) + ": " + rest
		}
		moved = append(moved, text)
	}
	return moved
}
