package inplace

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// lastUpdateVersion is the version of the LastUpdate's JSON. A reader skips one of a version that it does not know.
const lastUpdateVersion = 1

// LastUpdate is what a pod tells of its last in-place update, for people and their tools. It is kept on the pod, in the
// annotation apps.insitu.dev/last-update, and comes with the write that ends the update. Nothing is decided by it.
type LastUpdate struct {
	// Version is the version of this JSON.
	Version int `json:"version"`
	// Revision is the name of the revision that the pod was updated to.
	Revision string `json:"revision"`
	// Generation is the generation of the pod that the update made.
	Generation int64 `json:"generation"`
	// Phases tell how long the phases of the update took up to the restart. One that is missing is not known, or there was
	// none.
	Phases map[appsv1beta1.UpdatePhase]metav1.Duration `json:"phases,omitempty"`
	// PlannedRestarts tell how often containers were restarted by updates, in the whole life of the pod. What restartCount of
	// a container is more was not planned.
	PlannedRestarts map[string]int32 `json:"plannedRestarts,omitempty"`
	// Counted are the IDs of the containers that the State tells of and that PlannedRestarts say all of: that an update has
	// ended each, or that none has. They are not counted again.
	Counted []string `json:"counted,omitempty"`
}

// ReadLastUpdate returns what a pod tells of its last in-place update, or nil if it tells nothing that can be read.
func ReadLastUpdate(pod *corev1.Pod) *LastUpdate {
	data := pod.Annotations[appsv1beta1.LastUpdateAnnotation]
	if data == "" {
		return nil
	}
	last := &LastUpdate{}
	if err := json.Unmarshal([]byte(data), last); err != nil || last.Version != lastUpdateVersion {
		return nil
	}
	return last
}

// WithLastUpdate adds to a patch that ends the update of a pod what is told of it. The times may be nil.
func WithLastUpdate(patch []byte, pod *corev1.Pod, times *Times) []byte {
	state := trusted(pod)
	if state == nil {
		return patch
	}
	decoded := object{}
	decoder := json.NewDecoder(bytes.NewReader(patch))
	decoder.UseNumber()
	if err := decoder.Decode(&decoded); err != nil {
		return patch
	}
	metadata, ok := decoded["metadata"].(map[string]any)
	if !ok {
		return patch // Patches have metadata.
	}
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[appsv1beta1.LastUpdateAnnotation] = string(encode(lastUpdate(pod, state, times)))
	return encode(decoded)
}

func lastUpdate(pod *corev1.Pod, state *State, times *Times) *LastUpdate {
	last := &LastUpdate{Version: lastUpdateVersion, Revision: state.Revision, Generation: askedAt(pod, state)}
	for phase, took := range times.Took() {
		if last.Phases == nil {
			last.Phases = map[appsv1beta1.UpdatePhase]metav1.Duration{}
		}
		last.Phases[phase] = metav1.Duration{Duration: took.Round(time.Millisecond)}
	}
	var known []string
	if before := ReadLastUpdate(pod); before != nil {
		last.PlannedRestarts, known = before.PlannedRestarts, before.Counted
	}
	last.count(pod, state, known)
	return last
}

// count adds the restarts that the update made which a State records: of each container that was there when something else was
// asked for, and is not there any more. Patches keep records of earlier updates, so that what is known is not counted again.
// What is still there when its update ends is known, too: if it ends later, it does so by itself.
func (l *LastUpdate) count(pod *corev1.Pod, state *State, known []string) {
	for _, r := range state.Records {
		status := containerStatus(pod, r.Name)
		if r.ContainerID == "" || status == nil || slices.Contains(l.Counted, r.ContainerID) {
			continue
		}
		if !slices.Contains(known, r.ContainerID) {
			ended := r.ContainerID != status.ContainerID
			if (r.Done || !ended) && awaitsRestart(pod, state, r.Name) {
				continue // It may have crashed meanwhile.
			}
			if ended {
				l.add(r.Name)
			}
		}
		l.Counted = append(l.Counted, r.ContainerID)
	}
}

func (l *LastUpdate) add(name string) {
	if l.PlannedRestarts == nil {
		l.PlannedRestarts = map[string]int32{}
	}
	l.PlannedRestarts[name]++
}

// awaitsRestart tells whether a container is still to be restarted for other amounts of cpu or memory.
func awaitsRestart(pod *corev1.Pod, state *State, name string) bool {
	return slices.ContainsFunc(settledResizes(pod, state), func(r Resize) bool { return r.Restarts && r.Container == name })
}

// NewlyPlanned returns how many more restarts a pod tells of that updates made than it did before.
func NewlyPlanned(before, pod *corev1.Pod) int {
	key := appsv1beta1.LastUpdateAnnotation
	if before == nil || before.Annotations[key] == pod.Annotations[key] {
		return 0
	}
	return max(planned(pod)-planned(before), 0)
}

func planned(pod *corev1.Pod) int {
	total := 0
	if last := ReadLastUpdate(pod); last != nil {
		for _, count := range last.PlannedRestarts {
			total += int(count)
		}
	}
	return total
}
