package simulation

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/kubelet"
)

const (
	// main is the container that serves, shipper the one that may be restarted meanwhile, sidecar a native sidecar, and
	// steady the container whose image never changes.
	main, shipper, sidecar, steady = "app", "ship", "mesh", "log"
	// nodes is how many there are.
	nodes = 3
)

// images is how the images behave.
func images() kubelet.ImageTable {
	return kubelet.ImageTable{
		"app:a":       {ReadyDelay: 300 * time.Millisecond},
		"app:b":       {ReadyDelay: time.Second},
		"app:c":       {PullTime: time.Second},
		"app:a-again": {Digest: kubelet.DigestOf("app:a")},
		"app:slow":    {PullTime: 8 * time.Second, ReadyDelay: time.Second},
		"app:late":    {PullTime: 200 * time.Millisecond, PullError: "not yet", PullErrorUntil: begins().Add(time.Minute)},
		"app:missing": {PullTime: 200 * time.Millisecond, PullError: "not found"},
		"app:crash":   {CrashAfter: 150 * time.Millisecond},
		"log:1":       {},
		tip:           {PullTime: time.Second},
		loaded:        {DigestUnknown: true},
	}
}

// begins is when the worlds begin.
func begins() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// newRun draws a world, a CloneSet in it and a manager.
func newRun(t *rapid.T, compute planner) *run {
	seed := rapid.Uint64().Draw(t, "seed")
	r := &run{
		publishes: rapid.IntRange(0, 3).Draw(t, "publishNotReadyAddresses") == 3,
		undated:   rapid.IntRange(0, 9).Draw(t, "kubelets older than 1.34") == 9,
		lag:       rapid.IntRange(0, 5).Draw(t, "lag"),
		compute:   compute, rng: rand.New(rand.NewPCG(seed, 1)), history: newHistory(),
		registry: newRegistry(), owed: map[types.UID]due{}, chosen: map[string]string{}, steadies: map[types.UID]int{},
		handling: map[types.UID]bool{}, releasing: map[types.UID]bool{}, begun: map[types.UID]bool{}, hurried: map[types.UID]bool{},
		brought: map[types.UID]bringing{}, resized: map[types.UID]bool{},
		shaken: map[types.UID]bool{}, edited: map[types.UID]bool{}, garbled: map[types.UID]bool{}, fault: noFault,
		late: late{made: map[string]bool{}, owners: map[string]types.UID{}},
	}
	r.claims = &claimStore{byName: map[string]*corev1.PersistentVolumeClaim{}, deletes: r.claimGoes}
	r.budgets = &budgetStore{run: r}
	timing := kubelet.MeasuredTiming()
	timing.Jitter = 0.5
	timing.NodeEviction = 30 * time.Second
	r.world = kubelet.NewWorld(kubelet.WorldOptions{
		Options: kubelet.Options{
			Seed: seed, Images: r.registry, Timing: timing,
			LateStatus:           rapid.SampledFrom([]float64{0, 0, 0.2}).Draw(t, "late statuses"),
			LateStatusBy:         300 * time.Millisecond,
			NoObservedGeneration: r.undated,
			Allocatable:          allocatable(),
			NoResizeAdmission:    r.undated || rapid.Bool().Draw(t, "API servers older than 1.36"),
		},
		Start:                    begins(),
		Nodes:                    nodes,
		Selector:                 labels.SelectorFromSet(labels.Set{"app": "web"}),
		PublishNotReadyAddresses: r.publishes,
		Schedulable:              r.claims.bound,
	})
	r.sets = []*appsv1beta1.CloneSet{newSet(t)}
	r.noteDigests(&r.set().Spec)
	if rapid.IntRange(0, 4).Draw(t, "a disruption budget") == 4 {
		r.budgets.ask(t)
	}
	r.injectFaults(rapid.SampledFrom([]float64{0, 0, 0.05}).Draw(t, "failing calls"))
	r.restart()
	return r
}

// newSet draws a CloneSet with some of the features that there are.
func newSet(t *rapid.T) *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{ObjectMeta: objectMeta()}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Replicas = new(rapid.Int32Range(1, 6).Draw(t, "replicas"))
	grace := int64(rapid.IntRange(0, 5).Draw(t, "terminationGracePeriodSeconds"))
	set.Spec.Template = corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers:                    []corev1.Container{{Name: main, Image: "app:a"}, {Name: steady, Image: "log:1"}},
		},
	}
	spec := &set.Spec.Template.Spec
	if rapid.IntRange(0, 2).Draw(t, shipper) == 2 {
		spec.Containers = append(spec.Containers, corev1.Container{Name: shipper, Image: "app:a"})
	}
	if rapid.IntRange(0, 4).Draw(t, "imagePullPolicy") == 4 {
		for i := range spec.Containers {
			spec.Containers[i].ImagePullPolicy = corev1.PullAlways
		}
	}
	if rapid.IntRange(0, 4).Draw(t, sidecar) == 4 {
		spec.InitContainers = []corev1.Container{
			{Name: sidecar, Image: "app:a", RestartPolicy: new(corev1.ContainerRestartPolicyAlways)},
		}
	}
	drawResources(t, spec)
	rolling := &set.Spec.UpdateStrategy.RollingUpdate
	rolling.PodUpdatePolicy = appsv1beta1.InPlaceIfPossiblePodUpdatePolicy
	rolling.MaxUnavailable = new(intstr.FromInt32(1))
	rolling.InPlaceUpdateStrategy.Rehearsal.Policy = rapid.SampledFrom([]appsv1beta1.RehearsalPolicy{
		appsv1beta1.RehearseAlways, appsv1beta1.RehearseNever,
	}).Draw(t, "rehearsal")
	rolling.InPlaceUpdateStrategy.GracePeriodSeconds = new(rapid.SampledFrom([]int32{0, 2, 3}).Draw(t, "gracePeriodSeconds"))
	if rapid.IntRange(0, 4).Draw(t, "digests") == 4 {
		digests(t)(&set.Spec)
	}
	some := features()
	for range rapid.IntRange(0, 4).Draw(t, "features") {
		feature := rapid.SampledFrom(some).Draw(t, "feature")
		next := set.DeepCopy()
		feature.draw(t)(&next.Spec)
		if isValid(next) {
			set = next
		}
	}
	return set
}

var (
	errLost  = errors.New("the connection was lost")
	errQuota = errors.New("exceeded quota")
)

func noFault() (before, after error) { return nil, nil }

// injectFaults has calls of the controller fail, before or after their effect.
func (r *run) injectFaults(chance float64) {
	if chance == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(r.rng.Uint64(), 2))
	r.fault = func() (before, after error) {
		if rng.Float64() >= chance {
			return nil, nil
		}
		switch rng.IntN(6) {
		case 0:
			return apierrors.NewTooManyRequests("too many requests", 1), nil
		case 1:
			return nil, errLost
		case 2:
			return nil, apierrors.NewTimeoutError("took effect all the same", 1)
		case 3:
			return errLost, nil
		case 4:
			return apierrors.NewConflict(claimResource, "", errLost), nil
		}
		return apierrors.NewInternalError(errLost), nil
	}
	r.world.InjectFaults(func(verb, name string) (before, after error) {
		if verb == "update" {
			return nil, nil
		}
		if verb == "create" && refuses(name, rng, chance) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, name, errQuota), nil
		}
		return r.fault()
	})
}

// refuses tells whether there is no place in the quota for a pod that pulls images.
func refuses(pod string, rng *rand.Rand, chance float64) bool {
	return strings.Contains(pod, "-rehearsal-") && rng.Float64() < chance*3
}
