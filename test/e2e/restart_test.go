package e2e

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// restart asks for a restart, as kubectl does.
func (e *env) restart(at string) {
	e.Helper()
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: at}
	})
}

// A restart that is asked for restarts every container of every pod once, with the image that it runs, loses no request and no
// pod, and can be asked for again.
func TestRestartInPlace(t *testing.T) {
	all := []string{framework.MainContainer, framework.HelperContainer, framework.Sidecar}
	e := newEnv(t, func(w *framework.Workload) { w.GracePeriodSeconds = graceSeconds })
	e.startLoad()
	before := e.pods()
	for i, at := range []string{"2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"} {
		e.restart(at)
		e.untilComplete()
		e.unchanged(before, all...)
		for _, pod := range e.pods() {
			for _, name := range all {
				status, was := containerStatus(pod, name), containerStatus(find(before, pod.Name), name)
				if status.RestartCount != int32(i+1) || inplace.Digest(status.ImageID) != inplace.Digest(was.ImageID) {
					t.Errorf("restart %d: container %s of pod %s was restarted %d times, and runs %s instead of %s",
						i+1, name, pod.Name, status.RestartCount, status.ImageID, was.ImageID)
				}
			}
		}
	}
	e.expectNoFailedRequest()
	e.untilNoRehearsals()
}

func find(pods []*corev1.Pod, name string) *corev1.Pod {
	at := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == name })
	if at < 0 {
		return &corev1.Pod{}
	}
	return pods[at]
}

// A release that is only a new tag of what runs restarts nothing where that is not wanted, and drains nothing.
func TestSameImageIsSkipped(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	before := e.pods()
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Spec.Containers[0].Image = ref(webV1Again)
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.SameImage = appsv1beta1.SkipSameImage
	})
	e.untilComplete()
	e.unchanged(before)
	for _, pod := range e.pods() {
		was := inplace.Condition(find(before, pod.Name), appsv1beta1.InPlaceUpdateReady)
		is := inplace.Condition(pod, appsv1beta1.InPlaceUpdateReady)
		if was == nil || is == nil || !is.LastTransitionTime.Equal(&was.LastTransitionTime) {
			t.Errorf("pod %s was taken out of service", pod.Name)
		}
	}
	e.untilNoRehearsals()
}

// A tag that moves in the middle of a rollout is told of, and where it is pinned it makes no two kinds of pods.
func TestTagThatMoves(t *testing.T) {
	for name, tt := range map[string]struct {
		pin  appsv1beta1.PinPolicy
		tag  string
		want int
	}{
		"and is told of": {appsv1beta1.PinNone, "e2e/web:tip", 2},
		"and is pinned":  {appsv1beta1.PinDigest, "e2e/web:pinned-tip", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(w *framework.Workload) { w.PullPolicy = corev1.PullAlways })
			before := e.pods()
			e.push(tt.tag, "one")
			e.change(func(set *appsv1beta1.CloneSet) {
				set.Spec.Template.Spec.Containers[0].Image = ref(tt.tag)
				rolling := &set.Spec.UpdateStrategy.RollingUpdate
				rolling.Partition, rolling.InPlaceUpdateStrategy.Pin = new(intstr.FromInt32(2)), tt.pin
			})
			e.untilSet("one pod is to be updated", func(set *appsv1beta1.CloneSet) bool { return set.Status.UpdatedAvailableReplicas == 1 })
			e.push(tt.tag, "two")
			e.change(func(set *appsv1beta1.CloneSet) {
				set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt32(0))
			})
			if tt.want > 1 {
				e.untilSet("nobody tells that the tag has moved", tellsOfMove)
			}
			e.untilComplete()
			e.unchanged(before, framework.MainContainer)
			digests := map[string]bool{}
			for _, pod := range e.pods() {
				digests[inplace.Digest(containerStatus(pod, framework.MainContainer).ImageID)] = true
			}
			if len(digests) != tt.want {
				t.Errorf("the pods run %d digests, want %d:%s", len(digests), tt.want, e.view.Describe(app))
			}
		})
	}
}

func tellsOfMove(set *appsv1beta1.CloneSet) bool {
	progressing := apimeta.FindStatusCondition(set.Status.Conditions, appsv1beta1.ConditionProgressing)
	return progressing != nil && strings.Contains(progressing.Message, "has moved")
}

// push has a tag mean a web server that answers with a version.
func (e *env) push(tag, version string) {
	e.Helper()
	e.must(e.cluster.PushImages(e.ctx, framework.Image{Ref: tag, Version: version, Command: []string{"serve"}}))
}
