package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// The revisions of these tests: pods are at web-a, the template is web-b.
const (
	revisionA = "web-a"
	revisionB = "web-b"
)

// now is when the plans of these tests are made, long after the pods were.
func now() time.Time { return testpods.Start().Add(time.Hour) }

type edit func(*appsv1beta1.CloneSet)

// cloneSet returns a CloneSet that may have one pod out of service at a time.
func cloneSet(replicas int, edits ...edit) *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: metav1.NamespaceDefault, UID: "uid-web", Generation: 3},
		Spec: appsv1beta1.CloneSetSpec{
			Replicas: new(int32(replicas)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: *templateOf("app:b"),
			// Plans wake up for it; the tests of the deadline set one.
			ProgressDeadlineSeconds: new(int32(math.MaxInt32)),
		},
	}
	maxUnavailableOf(1)(set)
	for _, edit := range edits {
		edit(set)
	}
	return set
}

func templateOf(image string) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{}
	t.Labels = map[string]string{"app": "web"}
	t.Spec.Containers = []corev1.Container{{Name: "web", Image: image}}
	return t
}

func maxUnavailableOf(pods int) edit {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = new(intstr.FromInt(pods))
	}
}

func surgeOf(unavailable, surge string) edit {
	return func(set *appsv1beta1.CloneSet) {
		rolling := &set.Spec.UpdateStrategy.RollingUpdate
		rolling.MaxUnavailable, rolling.MaxSurge = new(intstr.Parse(unavailable)), new(intstr.Parse(surge))
	}
}

func partitionOf(pods int) edit {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt(pods))
	}
}

func policyOf(policy appsv1beta1.PodUpdatePolicy) edit {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy = policy }
}

func paused(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.Paused = true }

// withEnv makes the update one that needs new pods.
func withEnv(set *appsv1beta1.CloneSet) {
	set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "b"}}
}

// inputOf returns what is observed of a CloneSet with some pods. Pods whose gate is off were seen drained an hour ago, by
// this process.
func inputOf(set *appsv1beta1.CloneSet, pods ...*corev1.Pod) Input {
	in := Input{
		Set: set, Pods: pods, Now: now(), Sightings: map[types.UID]*inplace.Sighting{},
		Revisions: Revisions{
			Update:  Revision{Name: revisionB, Template: &set.Spec.Template},
			Current: Revision{Name: revisionA, Template: templateOf("app:a")},
		},
	}
	in.Revisions.Templates = map[string]*corev1.PodTemplateSpec{
		revisionA: in.Revisions.Current.Template, revisionB: in.Revisions.Update.Template,
	}
	for _, pod := range pods {
		gate := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if gate != nil && gate.Status == corev1.ConditionFalse {
			in.Sightings[pod.UID] = in.Sightings[pod.UID].See(pod, testpods.Start()).
				SeeDrained(inplace.IsDrained(pod, false), true, testpods.Start())
		}
	}
	return in
}

// old returns a pod at revision web-a that serves.
func old(name string, options ...testpods.Option) *corev1.Pod {
	return podAt(revisionA, "app:a", name, append([]testpods.Option{testpods.Serving()}, options...)...)
}

// updated returns a pod at revision web-b that serves.
func updated(name string, options ...testpods.Option) *corev1.Pod {
	return podAt(revisionB, "app:b", name, append([]testpods.Option{testpods.Serving()}, options...)...)
}

func podAt(revision, image, name string, options ...testpods.Option) *corev1.Pod {
	return testpods.New(name, append([]testpods.Option{
		testpods.Label("app", "web"), testpods.Revision(revision), testpods.Container("web", image),
	}, options...)...)
}

// patchedTo makes the pod one that was patched from web-a to web-b and whose kubelet has not acted.
func patchedTo(t testing.TB, name string) *corev1.Pod {
	t.Helper()
	pod := old(name, testpods.Drained(testpods.Start()))
	target := inplace.Target{Revision: revisionB, Template: templateOf("app:b")}
	change := inplace.Compare(templateOf("app:a"), target.Template)
	patched, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, change, inplace.Progress{}))
	if err != nil {
		t.Fatal(err)
	}
	return patched
}

func notReady() testpods.Option {
	return testpods.Condition(corev1.PodReady, corev1.ConditionFalse, testpods.Start())
}

func bornAfter(d time.Duration) testpods.Option {
	return func(pod *corev1.Pod) { pod.CreationTimestamp = metav1.NewTime(testpods.Start().Add(d)) }
}

// numbered returns a number of pods, web-0000 and so on.
func numbered(n int, build func(string, ...testpods.Option) *corev1.Pod, options ...testpods.Option) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pods[i] = build(fmt.Sprintf("web-%04d", i), options...)
	}
	return pods
}

// deeds are the actions of a plan as "Kind name", sorted; the names of new pods, which mean nothing, are left out, and
// their revisions put in their place.
func deeds(p Plan) []string {
	texts := []string{}
	for i := range p.Actions {
		name := p.Actions[i].Name()
		if p.Actions[i].Kind == CreatePod {
			name = "at " + p.Actions[i].Pod.Labels[appsv1beta1.RevisionLabel]
		}
		texts = append(texts, string(p.Actions[i].Kind)+" "+name)
	}
	slices.Sort(texts)
	return texts
}

// expect fails the test unless a plan consists of some actions.
func expect(t *testing.T, p Plan, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), deeds(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

// count returns how many actions of a kind a plan has.
func count(p Plan, kind Kind) int {
	n := 0
	for _, text := range deeds(p) {
		if strings.HasPrefix(text, string(kind)+" ") {
			n++
		}
	}
	return n
}

func revisionsNamed(names ...string) []*appsv1.ControllerRevision {
	var history []*appsv1.ControllerRevision
	for i, name := range names {
		history = append(history, &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, UID: types.UID("uid-" + name),
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cloneSet(1), appsv1beta1.CloneSetKind)},
			},
			Revision: int64(i + 1),
		})
	}
	return history
}

func mustSelector(set *appsv1beta1.CloneSet) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	if err != nil {
		panic(err)
	}
	return selector
}
