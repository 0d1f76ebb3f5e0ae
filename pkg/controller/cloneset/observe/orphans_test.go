package observe

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// selecting returns a CloneSet with a selector that is so many minutes old.
func selecting(name string, uid types.UID, minutes int, labels ...string) *appsv1beta1.CloneSet {
	set := cloneSet()
	set.Name, set.UID = name, uid
	set.CreationTimestamp = metav1.NewTime(testpods.Start().Add(-time.Duration(minutes) * time.Minute))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(labels); i += 2 {
		set.Spec.Selector.MatchLabels[labels[i]] = labels[i+1]
	}
	return set
}

func leaving(set *appsv1beta1.CloneSet) *appsv1beta1.CloneSet {
	set.DeletionTimestamp = new(metav1.NewTime(testpods.Start()))
	return set
}

// Whom an orphan goes to does not depend on who looks first.
func TestAdopter(t *testing.T) {
	web := func(minutes int) *appsv1beta1.CloneSet { return selecting("web", "uid-web", minutes, "app", "web") }
	tests := map[string]struct {
		sets []*appsv1beta1.CloneSet
		pod  *corev1.Pod
		want string
	}{
		"the one that matches": {
			[]*appsv1beta1.CloneSet{selecting("db", "uid-db", 9, "app", "db"), web(1)}, testpods.New("a", testpods.Label("app", "web")), "web",
		},
		"nobody matches":     {[]*appsv1beta1.CloneSet{web(1)}, testpods.New("a"), ""},
		"the oldest of two":  {[]*appsv1beta1.CloneSet{web(1), selecting("z", "uid-z", 2, "app", "web")}, testpods.New("a", testpods.Label("app", "web")), "z"},
		"the name decides":   {[]*appsv1beta1.CloneSet{web(1), selecting("a", "uid-a", 1, "app", "web")}, testpods.New("b", testpods.Label("app", "web")), "a"},
		"one that is going":  {[]*appsv1beta1.CloneSet{leaving(web(1))}, testpods.New("a", testpods.Label("app", "web")), ""},
		"without a selector": {[]*appsv1beta1.CloneSet{selecting("all", "uid-all", 1)}, testpods.New("a", testpods.Label("app", "web")), ""},
		"somebody's pod":     {[]*appsv1beta1.CloneSet{web(1)}, testpods.New("a", owned, testpods.Label("app", "web")), ""},
		"a terminating pod": {
			[]*appsv1beta1.CloneSet{web(1)}, testpods.New("a", testpods.Label("app", "web"), func(pod *corev1.Pod) {
				pod.DeletionTimestamp = new(metav1.NewTime(testpods.Start()))
			}), "",
		},
		"a pod that has ended": {
			[]*appsv1beta1.CloneSet{web(1)}, testpods.New("a", testpods.Label("app", "web"), func(pod *corev1.Pod) {
				pod.Status.Phase = corev1.PodSucceeded
			}), "",
		},
		"another namespace": {
			[]*appsv1beta1.CloneSet{web(1)}, testpods.New("a", testpods.Label("app", "web"), func(pod *corev1.Pod) {
				pod.Namespace = "other"
			}), "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stores := newStores()
			for _, set := range tt.sets {
				add(t, stores.Sets, set)
			}
			got := ""
			if adopter := stores.Adopter(tt.pod); adopter != nil {
				got = adopter.Name
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// withOrphans returns an observer whose cache holds a CloneSet, a pod and a revision of its own, and as many without an
// owner, one more of each that does not match. The API server has the CloneSet that is given, if one is.
func withOrphans(t *testing.T, live ...client.Object) *Observer {
	t.Helper()
	o := newObserver(t, live...)
	matching := testpods.Label("app", "web")
	add(t, o.Stores.Sets, selecting("web", setUID, 1, "app", "web"))
	add(t, o.Stores.Pods, testpods.New("own", owned, matching))
	add(t, o.Stores.Pods, testpods.New("orphan", matching))
	add(t, o.Stores.Pods, testpods.New("stranger", testpods.Label("app", "db")))
	for name, app := range map[string]string{"web-1": "web", "db-1": "db"} {
		add(t, o.Stores.Revisions, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: metav1.NamespaceDefault, Labels: map[string]string{"app": app},
		}})
	}
	return o
}

func TestOrphansAreObserved(t *testing.T) {
	set := selecting("web", setUID, 1, "app", "web")
	o := withOrphans(t, set)
	history, err := o.History(t.Context(), set)
	if err != nil || len(history) != 1 || history[0].Name != "web-1" {
		t.Errorf("got revisions %v, %v", history, err)
	}
	in, err := o.Observe(t.Context(), set, plan.Revisions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Orphans) != 1 || in.Orphans[0].Name != "orphan" {
		t.Errorf("got orphans %v", in.Orphans)
	}
	if diff := cmp.Diff(map[string]bool{"own": true}, podNames(in)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// A CloneSet whose deletion comes to be known in the middle of a pass does not make anew what it has given up.
func TestNothingIsMissedByWhatIsGone(t *testing.T) {
	set := selecting("web", setUID, 1, "app", "web")
	o := withOrphans(t, set)
	if err := o.Stores.Sets.Update(leaving(set.DeepCopy())); err != nil {
		t.Fatal(err)
	}
	if in, err := o.Observe(t.Context(), set, plan.Revisions{}); !errors.Is(err, ErrOutdated) {
		t.Errorf("got %v, and the orphans %v", err, in.Orphans)
	}
}

// A CloneSet that is being deleted does not take back what it has given up, however late the cache is.
func TestNothingIsAdoptedByWhatIsGone(t *testing.T) {
	set := selecting("web", setUID, 1, "app", "web")
	going := leaving(selecting("web", setUID, 1, "app", "web"))
	going.Finalizers = []string{"orphan"}
	tests := map[string][]client.Object{
		"gone":          nil,
		"being deleted": {going},
		"another one":   {selecting("web", "uid-successor", 0, "app", "web")},
	}
	for name, live := range tests {
		t.Run(name, func(t *testing.T) {
			o := withOrphans(t, live...)
			if _, err := o.Observe(t.Context(), set, plan.Revisions{}); !errors.Is(err, ErrOutdated) {
				t.Errorf("got %v for pods", err)
			}
			if _, err := o.History(t.Context(), set); !errors.Is(err, ErrOutdated) {
				t.Errorf("got %v for revisions", err)
			}
		})
	}
}

// Without orphans nothing is read past the cache.
func TestPassWithoutOrphansReadsNothingLive(t *testing.T) {
	o := newObserver(t)
	o.Live = failingReader{errors.New("no live reads")}
	add(t, o.Stores.Pods, testpods.New("own", owned))
	observe(t, o)
	o = withOrphans(t)
	refused := errors.New("no live reads")
	o.Live = failingReader{refused}
	if _, err := o.Observe(t.Context(), selecting("web", setUID, 1, "app", "web"), plan.Revisions{}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}
