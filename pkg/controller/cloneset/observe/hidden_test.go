package observe

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// countingReader counts lists.
type countingReader struct {
	client.Reader
	lists int
	err   error
}

func (r *countingReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	r.lists++
	if r.err != nil {
		return r.err
	}
	return r.Reader.List(ctx, list, opts...)
}

// hidden returns a pod of the CloneSet that lost its label, or a similar one.
func hidden(change func(*corev1.Pod)) *corev1.Pod {
	pod := testpods.New("web-hidden")
	owned(pod)
	pod.Labels = map[string]string{"app": "web"}
	change(pod)
	return pod
}

func TestPodsThatLostTheirLabelWhileNobodyWatched(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*appsv1beta1.CloneSet)
		pod   func(*corev1.Pod)
		found int
		lists int
	}{
		"found when a pod is missing": {found: 1, lists: 1},
		"found when the spec asks for fewer by now": {
			set: func(s *appsv1beta1.CloneSet) { s.Spec.Replicas, s.Status.Replicas = new(int32(0)), 1 }, found: 1, lists: 1,
		},
		"found when none is missing": {
			set: func(s *appsv1beta1.CloneSet) { s.Spec.Replicas = new(int32(0)) }, found: 1, lists: 1,
		},
		"not looked for where a new CloneSet was looked at": {
			set: func(s *appsv1beta1.CloneSet) { s.Status.ObservedGeneration = -1 },
		},
		"not taken from another owner":                       {pod: func(p *corev1.Pod) { p.OwnerReferences[0].UID = "uid-other" }, lists: 1},
		"not taken for one of its pods when it pulls images": {pod: rehearsal, lists: 1},
		"not taken by other labels":                          {pod: func(p *corev1.Pod) { p.Labels["app"] = "other" }, lists: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if c.pod == nil {
				c.pod = func(*corev1.Pod) {}
			}
			o := newObserver(t, hidden(c.pod))
			reader := &countingReader{Reader: o.Live}
			o.Live = reader
			set := workedOn()
			if c.set != nil {
				c.set(set)
			}
			for range 2 {
				in, err := o.Observe(t.Context(), set, plan.Revisions{})
				if err != nil {
					t.Fatal(err)
				}
				if len(in.Pods) != c.found {
					t.Errorf("got %d pods, want %d", len(in.Pods), c.found)
				}
			}
			if reader.lists != c.lists {
				t.Errorf("listed %d times in two passes, want %d", reader.lists, c.lists)
			}
		})
	}
}

// An earlier process may have died after it made the first pods, and before it reported.
func TestPodsThatLostTheirLabelBeforeTheFirstStatus(t *testing.T) {
	o := newObserver(t, hidden(func(*corev1.Pod) {}))
	reader := &countingReader{Reader: o.Live}
	o.Live = reader
	set := workedOn()
	set.Status.ObservedGeneration = 0
	for range 2 {
		if err := o.AwaitOrphans(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		if in, err := o.Observe(t.Context(), set, plan.Revisions{}); err != nil || len(in.Pods) != 1 {
			t.Errorf("got %d pods, %v", len(in.Pods), err)
		}
	}
	if reader.lists != 2 {
		t.Errorf("listed %d times in two passes, want pods and revisions once", reader.lists)
	}
}

func TestLooksAgainAfterAFailure(t *testing.T) {
	o := newObserver(t, hidden(func(*corev1.Pod) {}))
	reader := &countingReader{Reader: o.Live, err: errors.New("not now")}
	o.Live = reader
	if _, err := o.Observe(t.Context(), workedOn(), plan.Revisions{}); !errors.Is(err, reader.err) {
		t.Fatalf("got %v", err)
	}
	reader.err = nil
	if in, err := o.Observe(t.Context(), workedOn(), plan.Revisions{}); err != nil || len(in.Pods) != 1 {
		t.Errorf("got %d pods, %v", len(in.Pods), err)
	}
}

// workedOn returns a CloneSet of one pod that an earlier process has worked on.
func workedOn() *appsv1beta1.CloneSet {
	set := cloneSet()
	set.Spec.Replicas = new(int32(1))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Status.ObservedGeneration = 1
	return set
}
