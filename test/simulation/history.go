package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// history keeps the revisions of the simulated CloneSet, oldest first.
type history struct {
	kept []*appsv1.ControllerRevision
	// templates are those of all revisions that there ever were, by name: a revision that is made again has the same name.
	templates map[string]*corev1.PodTemplateSpec
	// byGeneration spares comparing the same templates in every pass.
	byGeneration map[int64]string
	number       int64
}

func newHistory() *history {
	return &history{templates: map[string]*corev1.PodTemplateSpec{}, byGeneration: map[int64]string{}}
}

// resolve returns the revisions of a CloneSet, the way the real ones are found: that of the template is made, or
// renumbered where an older one is equal.
func (h *history) resolve(set *appsv1beta1.CloneSet) plan.Revisions {
	name := h.nameOf(set)
	newest := len(h.kept) - 1
	switch at := h.find(name); {
	case at < 0:
		h.number++
		h.kept = append(h.kept, &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, UID: types.UID(fmt.Sprintf("%s-%d", name, h.number)),
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1beta1.CloneSetKind)},
			},
			Revision: h.number,
		})
	case at < newest:
		h.number++
		renumbered := *h.kept[at]
		renumbered.Revision = h.number
		h.kept = append(append(h.kept[:at:at], h.kept[at+1:]...), &renumbered)
	}
	r := plan.Revisions{Templates: map[string]*corev1.PodTemplateSpec{}, History: slices.Clip(h.kept)}
	for _, one := range h.kept {
		r.Templates[one.Name] = h.templates[one.Name]
	}
	r.Update = plan.Revision{Name: name, Template: r.Templates[name]}
	r.Current = r.Update
	if t := r.Templates[set.Status.CurrentRevision]; t != nil {
		r.Current = plan.Revision{Name: set.Status.CurrentRevision, Template: t}
	}
	return r
}

// nameOf returns the name that the revision of a template has.
func (h *history) nameOf(set *appsv1beta1.CloneSet) string {
	if name, ok := h.byGeneration[set.Generation]; ok {
		return name
	}
	name := ""
	for known, template := range h.templates {
		if revision.Equal(template, &set.Spec.Template) {
			name = known
		}
	}
	if name == "" {
		name = fmt.Sprintf("%s-r%d", set.Name, len(h.templates)+1)
		h.templates[name] = set.Spec.Template.DeepCopy()
	}
	h.byGeneration[set.Generation] = name
	return name
}

func (h *history) find(name string) int {
	for i, one := range h.kept {
		if one.Name == name {
			return i
		}
	}
	return -1
}

// remove deletes a revision.
func (h *history) remove(name string) {
	if at := h.find(name); at >= 0 {
		h.kept = append(h.kept[:at:at], h.kept[at+1:]...)
	}
}

// pin does what a patch says of the digests of a revision, at its resourceVersion.
func (h *history) pin(one *appsv1.ControllerRevision, patch []byte) error {
	var change struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(patch, &change); err != nil {
		return err
	}
	at := h.find(one.Name)
	if at < 0 || h.kept[at].UID != change.Metadata.UID || h.kept[at].ResourceVersion != change.Metadata.ResourceVersion {
		return apierrors.NewConflict(appsv1.Resource("controllerrevisions"), one.Name, errLost)
	}
	h.number++
	next := h.kept[at].DeepCopy()
	next.ResourceVersion = fmt.Sprint(h.number)
	if next.Annotations == nil {
		next.Annotations = map[string]string{}
	}
	maps.Copy(next.Annotations, change.Metadata.Annotations)
	h.kept = append(append(h.kept[:at:at], next), h.kept[at+1:]...)
	return nil
}
