package inplace

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// stateVersion is the version of the State's JSON. A reader skips a State of a version that it does not know.
const stateVersion = 1

// State is the record of the last in-place update of a pod. It is kept on the pod, in the annotation
// apps.insitu.dev/inplace-state.
type State struct {
	// Version is the version of this JSON.
	Version int `json:"version"`
	// Revision is the name of the revision that the pod was patched to.
	Revision string `json:"revision"`
	// Generation is the generation of the pod that the patch made. If the pod's generation is lower, the patch changed
	// no image.
	Generation int64 `json:"generation"`
	// InService tells that the pod was patched with its gate on, and not confirmed since. Else the gate tells: it is
	// turned on when the update is confirmed.
	InService bool `json:"inService,omitempty"`
	// Records tell what ran in each patched container before, oldest first.
	Records []Record `json:"records,omitempty"`
	// Pending are the containers that are patched next, as soon as those of the records run and are ready.
	Pending []string `json:"pending,omitempty"`
	// Resizes are the amounts of cpu and memory that the pod is to have and that the kubelet was not seen to report. Nobody's
	// gate tells of them: they are taken off when they are done.
	Resizes []Resize `json:"resizes,omitempty"`
	// Images are what pending containers are patched to, where it is not what the template says: their digest was chosen when
	// the update was begun.
	Images map[string]string `json:"images,omitempty"`
	// From are the revisions whose images pending containers still have, as far as that is known.
	From map[string]string `json:"from,omitempty"`
	// Failed tells that the pod had failed, or was not ready, when the patch was made, which restarted nothing: what is wrong with
	// it is older than the revision.
	Failed bool `json:"failed,omitempty"`
	// Since is when the pod was first patched to the revision: for how long it was down before is not the revision's doing, nor is the
	// end of a container that was started before, which no status may ever have shown.
	Since *metav1.Time `json:"since,omitempty"`
}

// Record tells what a container was before one patch changed its image. A container that is patched again before it was
// confirmed has several.
type Record struct {
	// Name is the container's name.
	Name string `json:"name"`
	// Image is the image that was asked for until this patch. It is empty in a record that stands for several, of images
	// that were asked for and are not told any more.
	Image string `json:"image"`
	// ImageID is the imageID of the status, if the container recorded here had one.
	ImageID string `json:"imageID,omitempty"`
	// ContainerID is the container that the status showed, unless an earlier record has it: then no container of this
	// image was ever seen.
	ContainerID string `json:"containerID,omitempty"`
	// Down tells that the status showed no running container when the patch was made: what is wrong with the container in a
	// later status may be older than the patch.
	Down bool `json:"down,omitempty"`
	// Done tells that the container was seen to run the image that it was patched to.
	Done bool `json:"done,omitempty"`
}

// ReadState returns the State kept on a pod, or nil if there is none that can be read.
func ReadState(pod *corev1.Pod) *State {
	data := pod.Annotations[appsv1beta1.InPlaceStateAnnotation]
	if data == "" {
		return nil
	}
	state := &State{}
	if err := json.Unmarshal([]byte(data), state); err != nil || state.Version != stateVersion {
		return nil
	}
	return state
}

// trusted returns the State kept on a pod, or nil if there is none that a patch of this very pod can have left: a copy of
// another pod's may come with a pod that was restored from a backup.
func trusted(pod *corev1.Pod) *State { return trustedOf(pod, ReadState(pod)) }

func trustedOf(pod *corev1.Pod, state *State) *State {
	if state == nil || state.Generation < 1 || state.Generation > pod.Generation+1 {
		return nil
	}
	return state
}

// names returns the containers that have such records, in order and once each.
func (s *State) names(such func(Record) bool) []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range s.Records {
		if !seen[r.Name] && such(r) {
			seen[r.Name] = true
			names = append(names, r.Name)
		}
	}
	return names
}

// undone returns the containers that were not seen to run what they were patched to, when the State was written.
func (s *State) undone() []string {
	return s.names(func(r Record) bool { return !r.Done })
}

// unfinished tells whether a pod with this State is to be patched or confirmed, whatever its gate says.
func (s *State) unfinished() bool { return s.InService || len(s.Pending) > 0 || len(s.Resizes) > 0 }

// isBlameless tells whether the revision has nothing to do with what is wrong with the pod: nothing that ran was stopped for it.
func (s *State) isBlameless() bool {
	return s.Failed && !slices.ContainsFunc(s.Records, func(r Record) bool { return !r.Done || !r.Down })
}

// precedes tells whether a container of a name that has ended may be one that no status showed before the pod was patched to the
// revision: none was seen to run of an image that was asked for, and it was started before, or in the same second. One that could
// not be started at all has no such time.
func (s *State) precedes(name string, ended *corev1.ContainerStateTerminated) bool {
	unseen := func(r Record) bool { return r.Name == name && (r.Down || r.ContainerID == "") }
	return s.Since != nil && ended.StartedAt.Unix() > 0 && !ended.StartedAt.After(s.Since.Time) && slices.ContainsFunc(s.Records, unseen)
}

// PendingFrom returns the revisions whose images containers of a pod still have that are to be patched, by container.
func PendingFrom(pod *corev1.Pod) map[string]string {
	if !strings.Contains(pod.Annotations[appsv1beta1.InPlaceStateAnnotation], `"from":{`) {
		return nil // So it is of most pods, and there are many.
	}
	state := trusted(pod)
	if state == nil {
		return nil
	}
	return state.From
}

// recordsOf returns the records of one container that is not done, oldest first.
func (s *State) recordsOf(name string) []Record {
	var records []Record
	for _, r := range s.Records {
		if r.Name == name && !r.Done {
			records = append(records, r)
		}
	}
	return records
}

// recorded tells whether a container ID is among the records.
func recorded(records []Record, containerID string) bool {
	return containerID != "" && slices.ContainsFunc(records, func(r Record) bool { return r.ContainerID == containerID })
}
