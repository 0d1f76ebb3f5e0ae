// Package revision keeps the history of a CloneSet's templates in ControllerRevisions.
//
// Two templates are the same revision when they are semantically equal after both were decoded with today's types and
// given the same defaults; the hash in a revision's name is a name and nothing else. So a change of the encoding, of a
// library, of a default in the CustomResourceDefinition or of the hash itself never brings a pod to a new revision.
package revision

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/rand"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// data is the JSON of a revision: the part of the spec that the pods follow from.
type data struct {
	Spec struct {
		Template corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

// Decode returns the template that a revision holds.
func Decode(revision *appsv1.ControllerRevision) (*corev1.PodTemplateSpec, error) {
	d := &data{}
	if err := json.Unmarshal(revision.Data.Raw, d); err != nil {
		return nil, fmt.Errorf("revision %s: %w", revision.Name, err)
	}
	return &d.Spec.Template, nil
}

// New returns the revision of a CloneSet's template with a number of its own. The collisions found so far are part of
// its name.
func New(set *appsv1beta1.CloneSet, number int64, collisions int32) (*appsv1.ControllerRevision, error) {
	d := &data{}
	d.Spec.Template = set.Spec.Template
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding the template: %w", err)
	}
	sorted, err := sortKeys(raw)
	if err != nil {
		return nil, fmt.Errorf("encoding the template: %w", err)
	}
	labels := maps.Clone(set.Spec.Template.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[appsv1beta1.ManagedLabel] = appsv1beta1.ManagedLabelValue
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Name:            name(set.Name, raw, collisions),
			Namespace:       set.Namespace,
			Labels:          labels,
			Annotations:     carried(set),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)},
		},
		Data:     runtime.RawExtension{Raw: sorted},
		Revision: number,
	}, nil
}

// sortKeys returns JSON with the keys of its objects sorted. The API server sorts them whenever somebody sends a strategic
// merge patch of a revision, as the garbage collection does for an orphaning deletion, and then compares the bytes: it
// refuses the patch if those of the data, which cannot change, are others.
func sortKeys(raw []byte) ([]byte, error) {
	var value map[string]any
	if err := utiljson.Unmarshal(raw, &value); err != nil { // It takes no number for a float that is none.
		return nil, err
	}
	return json.Marshal(value)
}

// carried returns the annotations that a CloneSet's revision has of it: why its template was set, if somebody said so.
func carried(set *appsv1beta1.CloneSet) map[string]string {
	cause, ok := set.Annotations[appsv1beta1.ChangeCauseAnnotation]
	if !ok {
		return nil
	}
	return map[string]string{appsv1beta1.ChangeCauseAnnotation: cause}
}

func name(set string, raw []byte, collisions int32) string {
	hash := fnv.New32a()
	_, _ = hash.Write(raw)
	if collisions > 0 {
		_, _ = fmt.Fprintf(hash, "%d", collisions)
	}
	return set + "-" + rand.SafeEncodeString(fmt.Sprint(hash.Sum32()))
}

// Equal tells whether two templates are the same revision: whether they make the same pods.
func Equal(a, b *corev1.PodTemplateSpec) bool { return inplace.SameTemplate(a, b) }
