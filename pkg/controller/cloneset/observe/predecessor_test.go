package observe

import (
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// left returns the metadata of what a deleted CloneSet left, changed some time after it was made.
func left(labels ...string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{
		Name: "web-1", Namespace: metav1.NamespaceDefault, ResourceVersion: "20",
		Labels: map[string]string{"app": "web", appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue},
	}
	for i := 0; i < len(labels); i += 2 {
		meta.Labels[labels[i]] = labels[i+1]
	}
	return meta
}

func TestNewCloneSetAwaitsWhatItIsToAdopt(t *testing.T) {
	ofSomebody := &corev1.Pod{ObjectMeta: left()}
	owned(ofSomebody)
	tests := map[string]struct {
		left   client.Object
		seen   string
		worked bool
		awaits bool
	}{
		"a pod that is not seen yet":       {left: &corev1.Pod{ObjectMeta: left()}, seen: "19", awaits: true},
		"a revision that is not seen yet":  {left: &appsv1.ControllerRevision{ObjectMeta: left()}, seen: "19", awaits: true},
		"a pod that is seen":               {left: &corev1.Pod{ObjectMeta: left()}, seen: "20"},
		"a revision that is seen":          {left: &appsv1.ControllerRevision{ObjectMeta: left()}, seen: "21"},
		"a pod that does not match":        {left: &corev1.Pod{ObjectMeta: left("app", "db")}, seen: "19"},
		"a pod that insitu does not watch": {left: &corev1.Pod{ObjectMeta: left(appsv1beta1.ManagedLabel, "")}, seen: "19"},
		"a pod that has an owner":          {left: ofSomebody, seen: "19"},
		"a CloneSet that was worked on":    {left: &corev1.Pod{ObjectMeta: left()}, seen: "19", worked: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newObserver(t, tt.left)
			seen := testpods.New("other", func(pod *corev1.Pod) { pod.ResourceVersion = tt.seen })
			add(t, o.Stores.Pods, seen)
			add(t, o.Stores.Revisions, &appsv1.ControllerRevision{ObjectMeta: seen.ObjectMeta})
			set := selecting("web", setUID, 1, "app", "web")
			if tt.worked {
				set.Status.ObservedGeneration = 1
			}
			if err := o.AwaitOrphans(t.Context(), set); errors.Is(err, ErrOutdated) != tt.awaits {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSelectorOfNothingAwaitsNothing(t *testing.T) {
	o := newObserver(t)
	o.Live = failingReader{errors.New("no live reads")}
	if err := o.AwaitOrphans(t.Context(), selecting("web", setUID, 1)); err != nil {
		t.Error(err)
	}
}

func TestTellsThatItCannotLookForOrphans(t *testing.T) {
	o := newObserver(t)
	refused := errors.New("no live reads")
	o.Live = failingReader{refused}
	if err := o.AwaitOrphans(t.Context(), selecting("web", setUID, 1, "app", "web")); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}
