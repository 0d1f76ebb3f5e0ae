package inplace

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

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
	// Records tell what ran in each patched container before, oldest first.
	Records []Record `json:"records,omitempty"`
}

// Record tells what a container was before one patch changed its image. A container that is patched again before it was
// confirmed has several.
type Record struct {
	// Name is the container's name.
	Name string `json:"name"`
	// Image is the image that was asked for until this patch.
	Image string `json:"image"`
	// ImageID is the imageID of the status, if the container recorded here had one.
	ImageID string `json:"imageID,omitempty"`
	// ContainerID is the container that the status showed, unless an earlier record has it: then no container of this
	// image was ever seen.
	ContainerID string `json:"containerID,omitempty"`
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

// recordsOf returns the records of one container, oldest first.
func (s *State) recordsOf(name string) []Record {
	var records []Record
	for _, r := range s.Records {
		if r.Name == name {
			records = append(records, r)
		}
	}
	return records
}

// names returns the containers that have records, in order and once each.
func (s *State) names() []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range s.Records {
		if !seen[r.Name] {
			seen[r.Name] = true
			names = append(names, r.Name)
		}
	}
	return names
}

// recorded tells whether a container ID is among the records.
func recorded(records []Record, containerID string) bool {
	for _, r := range records {
		if r.ContainerID == containerID {
			return true
		}
	}
	return false
}
