package observe

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

type claimOption func(*corev1.PersistentVolumeClaim)

// claim returns a claim as the cache holds it, of nobody's.
func claim(name string, options ...claimOption) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("uid-" + name), ResourceVersion: "7",
		Labels: map[string]string{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue},
	}}
	for _, option := range options {
		option(c)
	}
	return c
}

// ownedBy makes the claim one of an object's.
func ownedBy(kind, name string) claimOption {
	return func(c *corev1.PersistentVolumeClaim) {
		c.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: new(true)}}
	}
}

func unlabelled(c *corev1.PersistentVolumeClaim) { c.Labels = nil }

// using gives the pod a claim of its own, and volumes that decide nothing.
func using(template string) testpods.Option {
	return func(pod *corev1.Pod) {
		for name, claim := range map[string]string{template: template + "-" + pod.Name, "shared": "shared"} {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim, ReadOnly: true},
			}})
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "tmp"})
	}
}

func claimNames(in plan.Input) []string {
	names := []string{}
	for _, claim := range in.Claims {
		names = append(names, claim.Name)
	}
	slices.Sort(names)
	return names
}

func TestSnapshotHoldsTheClaimsOfTheCloneSet(t *testing.T) {
	o := newObserver(t)
	add(t, o.Stores.Pods, testpods.New("web-c", owned, using("data")))
	for _, c := range []*corev1.PersistentVolumeClaim{
		claim("data-web-a", ownedBy("CloneSet", "web")), claim("data-web-b", ownedBy("Pod", "web-b")),
		claim("data-web-c"), claim("data-web-d"), claim("data-other-e", ownedBy("CloneSet", "other")),
		claim("data-web-x-f", ownedBy("Pod", "web-x-f")), claim("data-web-g", ownedBy("Job", "web-g")),
	} {
		add(t, o.Stores.Claims, c)
	}
	o.Tracker.SeeClaimError(setUID, "data-web-c", "quota")
	in := observe(t, o)
	if diff := cmp.Diff([]string{"data-web-a", "data-web-b", "data-web-c"}, claimNames(in)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if in.RefusedClaim != "data-web-c" || in.ClaimError != "quota" {
		t.Errorf("got %s: %s", in.RefusedClaim, in.ClaimError)
	}
	o.Tracker.SeeClaimError(setUID, "data-web-b", "")
	if in = observe(t, o); in.ClaimError != "quota" {
		t.Error("what is wrong with one claim is forgotten when another is made")
	}
	o.Tracker.SeeClaimError(setUID, "data-web-c", "")
	if in = observe(t, o); in.ClaimError != "" {
		t.Errorf("got %s after the claim was made", in.ClaimError)
	}
}

// A claim exists that the cache does not hold.
func TestClaimsThatTheCacheLacksAreLookedFor(t *testing.T) {
	unscheduled := func(pod *corev1.Pod) { pod.Spec.NodeName = "" }
	tests := map[string]struct {
		live    []client.Object
		cached  *corev1.PersistentVolumeClaim
		pod     testpods.Option
		claims  []string
		foreign bool
		// again tells whether it is looked for the next time, too.
		again bool
	}{
		"it lost its label":               {live: []client.Object{claim("data-web-a", unlabelled, ownedBy("Pod", "web-a"))}, claims: []string{"data-web-a"}, again: true},
		"the cache is behind":             {live: []client.Object{claim("data-web-a")}, claims: []string{"data-web-a"}, again: true},
		"it is somebody else's":           {live: []client.Object{claim("data-web-a", unlabelled)}, foreign: true},
		"it is of another kind of owner":  {live: []client.Object{claim("data-web-a", unlabelled, ownedBy("StatefulSet", "web"))}, foreign: true},
		"somebody else's, not in use yet": {live: []client.Object{claim("data-web-a", unlabelled)}, pod: unscheduled, foreign: true, again: true},
		"it is gone":                      {pod: unscheduled},
		"the cache holds it by now":       {cached: claim("data-web-a", ownedBy("CloneSet", "web")), claims: []string{"data-web-a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newObserver(t, tt.live...)
			pod := testpods.New("web-a", owned, using("data"))
			if tt.pod != nil {
				tt.pod(pod)
			}
			add(t, o.Stores.Pods, pod)
			if tt.cached != nil {
				add(t, o.Stores.Claims, tt.cached)
			}
			o.Tracker.SeekClaim(setUID, "data-web-a", false)
			in := observe(t, o)
			if diff := cmp.Diff(append([]string{}, tt.claims...), claimNames(in)); diff != "" || in.ForeignClaims["data-web-a"] != tt.foreign {
				t.Errorf("foreign %v, claims (-want +got):\n%s", in.ForeignClaims, diff)
			}
			o.Live = failingReader{errors.New("read live")}
			_, err := o.Observe(t.Context(), cloneSet(), plan.Revisions{})
			if (err != nil) != tt.again {
				t.Errorf("looked for again: %v, want %v", err, tt.again)
			}
		})
	}
}

func TestClaimsOfPodsThatAreGoneAreNotLookedFor(t *testing.T) {
	o := newObserver(t)
	o.Live = failingReader{errors.New("read live")}
	o.Tracker.SeekClaim(setUID, "data-web-a", false)
	observe(t, o)
	if got := o.Tracker.soughtClaims(setUID); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestTrimKeepsOfVolumesThePodsOwnClaims(t *testing.T) {
	got := TrimPod(testpods.New("web-a", using("data"))).Spec.Volumes
	source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-web-a"}
	want := []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
}

func TestTrimmedClaim(t *testing.T) {
	full := claim("data-web-a", ownedBy("Pod", "web-a"))
	want := full.DeepCopy()
	full.Labels["app"] = "web"
	full.Annotations = map[string]string{"volume.kubernetes.io/selected-node": "node-1"}
	full.Spec.VolumeName, full.Status.Phase = "pv-1", corev1.ClaimBound
	if diff := cmp.Diff(want, TrimClaim(full)); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
}
