package inplace

import (
	"bytes"
	"encoding/json"
	"maps"
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
	before := ReadLastUpdate(pod)
	if before != nil {
		last.PlannedRestarts = before.PlannedRestarts
	}
	if before == nil || before.Generation < last.Generation { // Else they are counted.
		last.PlannedRestarts = sum(last.PlannedRestarts, restarts(pod, state))
	}
	return last
}

// restarts returns how often containers were restarted by the update that a State records: each container that was there when
// another image was asked for, and is not there any more.
func restarts(pod *corev1.Pod, state *State) map[string]int32 {
	counts := map[string]int32{}
	for _, r := range state.Records {
		status := containerStatus(pod, r.Name)
		if r.ContainerID != "" && status != nil && r.ContainerID != status.ContainerID {
			counts[r.Name]++ // No two records name the same container.
		}
	}
	return counts
}

func sum(a, b map[string]int32) map[string]int32 {
	all := map[string]int32{}
	maps.Copy(all, a)
	for name, count := range b {
		all[name] += count
	}
	return all
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
