package kubelet

import (
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Options say how the kubelets of a driver behave. The zero value pulls every image at once and is ready at once, with
// no delay anywhere.
type Options struct {
	// Seed makes every random choice reproducible.
	Seed uint64
	// Images says what is known of each image; nil means that all of them exist and behave well.
	Images ImageModel
	// Timing says how long things take.
	Timing Timing
	// LateStatus is the chance, 0 to 1, that a status is held back by LateStatusBy before it is sent. What is generated
	// meanwhile replaces it, so that intermediate statuses are never seen.
	LateStatus   float64
	LateStatusBy time.Duration
	// NoObservedGeneration makes the kubelets older than 1.34: status.observedGeneration stays 0.
	NoObservedGeneration bool
	// Allocatable is what each node has for the requests of its pods, of the resources that are named; nil means more than
	// enough. It is asked for when a pod is resized: the scheduler is one that never errs.
	Allocatable corev1.ResourceList
	// NoResizeAdmission makes the API server older than 1.36: it takes resizes that no node has room for, and leaves it to the
	// kubelet to say so.
	NoResizeAdmission bool
}

// Timing holds the durations of what kubelets and their surroundings do.
type Timing struct {
	// Watch passes between a change in the API and the kubelet's seeing it.
	Watch time.Duration
	// Status passes between the generation of a status and its arrival in the API.
	Status time.Duration
	// Sandbox is what the pod's network and cgroups take before the first container.
	Sandbox time.Duration
	// Stop is how long a container runs on after SIGTERM, unless its image says otherwise.
	Stop time.Duration
	// Start is what the creation of a container takes, unless its image says otherwise.
	Start time.Duration
	// Resize is what it takes to give running containers other resources.
	Resize time.Duration
	// Relist passes until the kubelet notices that a container started or ended.
	Relist time.Duration
	// Retry passes between a sync that failed to pull and the next one, if nothing else asks for one, and up to half as
	// much more. A sync tells why the one before it failed.
	Retry time.Duration
	// Schedule passes until a new pod is bound to a node.
	Schedule time.Duration
	// Endpoint passes between a change of a pod and its EndpointSlice; Proxy from there until traffic follows.
	Endpoint, Proxy time.Duration
	// NodeUnreachable passes until a lost node's pods are marked unready, NodeEviction until they are deleted.
	NodeUnreachable, NodeEviction time.Duration
	// Jitter spreads each duration evenly over this share of itself to both sides, 0 to 1.
	Jitter float64
}

// MeasuredTiming returns durations as seen on an idle node with a kubelet 1.36 and containerd: a gate or a generation
// is answered in 30 ms, a restart takes half a second.
func MeasuredTiming() Timing {
	return Timing{
		Watch:           20 * time.Millisecond,
		Status:          10 * time.Millisecond,
		Sandbox:         500 * time.Millisecond,
		Stop:            100 * time.Millisecond,
		Start:           300 * time.Millisecond,
		Resize:          20 * time.Millisecond,
		Relist:          60 * time.Millisecond,
		Retry:           10 * time.Second,
		Schedule:        20 * time.Millisecond,
		Endpoint:        20 * time.Millisecond,
		Proxy:           time.Second,
		NodeUnreachable: 40 * time.Second,
		NodeEviction:    300 * time.Second,
	}
}

// spread applies the jitter to a duration.
func (t Timing) spread(d time.Duration, rng *rand.Rand) time.Duration {
	if t.Jitter == 0 || d == 0 {
		return d
	}
	return d + time.Duration(float64(d)*t.Jitter*(2*rng.Float64()-1))
}
