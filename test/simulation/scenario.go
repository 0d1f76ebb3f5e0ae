package simulation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/kubelet"
)

const (
	// steady is the container whose image never changes.
	steady = "log"
	// nodes is how many there are.
	nodes = 3
)

var (
	goodImages = []string{"app:a", "app:b", "app:c", "app:a-again", "app:slow"}
	badImages  = []string{"app:missing", "app:crash"}
)

// images is how the images behave.
var images = kubelet.ImageTable{
	"app:a":       {ReadyDelay: 300 * time.Millisecond},
	"app:b":       {ReadyDelay: time.Second},
	"app:c":       {PullTime: time.Second},
	"app:a-again": {Digest: kubelet.DigestOf("app:a")},
	"app:slow":    {PullTime: 8 * time.Second, ReadyDelay: time.Second},
	"app:missing": {PullTime: 200 * time.Millisecond, PullError: "not found"},
	"app:crash":   {CrashAfter: 150 * time.Millisecond},
}

// newRun draws a world, a CloneSet in it and a manager.
func newRun(t *rapid.T, compute planner) *run {
	seed := rapid.Uint64().Draw(t, "seed")
	publish := rapid.Bool().Draw(t, "publishNotReadyAddresses")
	undated := rapid.IntRange(0, 9).Draw(t, "kubelets older than 1.34") == 0
	timing := kubelet.MeasuredTiming()
	timing.Jitter = 0.5
	timing.NodeEviction = 30 * time.Second
	world := kubelet.NewWorld(kubelet.WorldOptions{
		Options: kubelet.Options{
			Seed: seed, Images: images, Timing: timing,
			LateStatus:           rapid.SampledFrom([]float64{0, 0, 0.2}).Draw(t, "late statuses"),
			LateStatusBy:         300 * time.Millisecond,
			NoObservedGeneration: undated,
		},
		Nodes:                    nodes,
		Selector:                 labels.SelectorFromSet(labels.Set{"app": "web"}),
		PublishNotReadyAddresses: publish,
	})
	r := &run{
		world: world, publishes: publish, undated: undated, compute: compute,
		rng: rand.New(rand.NewPCG(seed, 1)), lag: rapid.IntRange(0, 5).Draw(t, "lag"),
		history:   history{templates: map[string]*corev1.PodTemplateSpec{}},
		withdrawn: map[types.UID]bool{}, shaken: map[types.UID]bool{}, edited: map[types.UID]bool{},
		set: newSet(t),
	}
	r.injectFaults(rapid.SampledFrom([]float64{0, 0, 0.05}).Draw(t, "failing calls"))
	r.restart()
	return r
}

func newSet(t *rapid.T) *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{ObjectMeta: objectMeta()}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Replicas = new(rapid.Int32Range(1, 8).Draw(t, "replicas"))
	grace := int64(rapid.IntRange(0, 5).Draw(t, "terminationGracePeriodSeconds"))
	set.Spec.Template = corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers:                    []corev1.Container{{Name: "app", Image: "app:a"}, {Name: steady, Image: "log:1"}},
		},
	}
	rolling := &set.Spec.UpdateStrategy.RollingUpdate
	rolling.PodUpdatePolicy = appsv1beta1.InPlaceIfPossiblePodUpdatePolicy
	rolling.MaxUnavailable = new(drawMaxUnavailable(t))
	rolling.InPlaceUpdateStrategy.GracePeriodSeconds = new(rapid.SampledFrom([]int32{0, 2, 3}).Draw(t, "gracePeriodSeconds"))
	return set
}

func drawMaxUnavailable(t *rapid.T) intstr.IntOrString {
	return rapid.SampledFrom([]intstr.IntOrString{
		intstr.FromInt32(1), intstr.FromInt32(2), intstr.FromString("20%"), intstr.FromString("50%"), intstr.FromString("100%"),
	}).Draw(t, "maxUnavailable")
}

var errLost = errors.New("the connection was lost")

// injectFaults has calls fail, before or after their effect.
func (r *run) injectFaults(chance float64) {
	rng := rand.New(rand.NewPCG(r.rng.Uint64(), 2))
	r.world.InjectFaults(func(verb, _ string) (before, after error) {
		if verb == "update" || rng.Float64() >= chance {
			return nil, nil
		}
		switch rng.IntN(3) {
		case 0:
			return apierrors.NewTooManyRequests("too many requests", 1), nil
		case 1:
			return nil, errLost
		}
		return apierrors.NewInternalError(errLost), nil
	})
}

// actions are what may happen to a CloneSet, its pods, its nodes and its manager.
func (r *run) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"good image": func(t *rapid.T) { r.setImage(rapid.SampledFrom(goodImages).Draw(t, "image")) },
		"bad image":  func(t *rapid.T) { r.setImage(rapid.SampledFrom(badImages).Draw(t, "image")) },
		"env":        func(t *rapid.T) { r.setEnv(rapid.StringMatching("[xy]").Draw(t, "value")) },
		"label": func(t *rapid.T) {
			value := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
			r.edit("label tier="+value, func(s *appsv1beta1.CloneSetSpec) { s.Template.Labels["tier"] = value })
		},
		"replicas": func(t *rapid.T) {
			n := rapid.Int32Range(0, 8).Draw(t, "replicas")
			r.edit(fmt.Sprintf("replicas %d", n), func(s *appsv1beta1.CloneSetSpec) { s.Replicas = &n })
		},
		"partition": func(t *rapid.T) {
			p := rapid.SampledFrom([]intstr.IntOrString{
				intstr.FromInt32(0), intstr.FromInt32(2), intstr.FromString("50%"), intstr.FromString("99%"),
			}).Draw(t, "partition")
			r.edit("partition "+p.String(), func(s *appsv1beta1.CloneSetSpec) { s.UpdateStrategy.RollingUpdate.Partition = &p })
		},
		"maxUnavailable": func(t *rapid.T) {
			m := drawMaxUnavailable(t)
			r.edit("maxUnavailable "+m.String(), func(s *appsv1beta1.CloneSetSpec) {
				s.UpdateStrategy.RollingUpdate.MaxUnavailable = &m
			})
		},
		"pause": func(t *rapid.T) {
			p := rapid.Bool().Draw(t, "paused")
			r.edit(fmt.Sprintf("paused %v", p), func(s *appsv1beta1.CloneSetSpec) { s.UpdateStrategy.RollingUpdate.Paused = p })
		},
		"pod":     r.disturbPod,
		"node":    r.disturbNode,
		"manager": func(t *rapid.T) { r.manager.diesAfter = rapid.IntRange(0, 4).Draw(t, "writes until it dies") },
		"": func(t *rapid.T) {
			r.settle(time.Duration(rapid.IntRange(10, 15000).Draw(t, "milliseconds"))*time.Millisecond, nil)
		},
	}
}

func (r *run) setImage(image string) {
	r.edit("image "+image, func(s *appsv1beta1.CloneSetSpec) { s.Template.Spec.Containers[0].Image = image })
}

func (r *run) setEnv(value string) {
	r.edit("env X="+value, func(s *appsv1beta1.CloneSetSpec) {
		s.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", Value: value}}
	})
}

// disturbPod does to one pod what users and kubelets do.
func (r *run) disturbPod(t *rapid.T) {
	var names []string
	for _, pod := range r.world.Pods() {
		names = append(names, pod.Name)
	}
	if len(names) == 0 {
		t.Skip("no pods")
	}
	pod := r.world.Pod(rapid.SampledFrom(names).Draw(t, "pod"))
	switch what := rapid.SampledFrom([]string{"delete", "evict", "edit"}).Draw(t, "what"); what {
	case "delete":
		r.note("somebody deletes %s", pod.Name)
		_, _ = r.world.Delete(pod.Name, metav1.DeleteOptions{})
	case "evict":
		r.note("the kubelet evicts %s", pod.Name)
		r.world.EvictPod(pod.Name)
	case "edit":
		r.note("somebody sets the image of %s to app:b", pod.Name)
		r.edited[pod.UID] = true
		_, _ = r.world.EditPod(pod.Name, func(p *corev1.Pod) { p.Spec.Containers[0].Image = "app:b" })
	}
}

// disturbNode loses a node, or has one come back.
func (r *run) disturbNode(t *rapid.T) {
	node := r.world.Nodes()[rapid.IntRange(0, nodes-1).Draw(t, "node")]
	if node.Status.Conditions[0].Status == corev1.ConditionTrue {
		r.note("%s is lost", node.Name)
		r.world.LoseNode(node.Name)
		for _, pod := range r.world.Pods() {
			r.shaken[pod.UID] = true
		}
		return
	}
	r.note("%s is back", node.Name)
	r.world.RestoreNode(node.Name)
}
