package plan

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// withTemplates gives the pods claims.
func withTemplates(names ...string) edit {
	return func(set *appsv1beta1.CloneSet) {
		for _, name := range names {
			template := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
			template.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
			template.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
			set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, template)
		}
	}
}

func reusing(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.EnablePVCReuse = true }

// uses gives the pod volumes that are claims of its own.
func uses(templates ...string) testpods.Option {
	return func(pod *corev1.Pod) {
		for _, name := range templates {
			source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name + "-" + pod.Name}
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
				Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source},
			})
		}
	}
}

// The UIDs of those that own claims in these tests.
const (
	theSet  = types.UID("uid-web")
	nobody  = types.UID("")
	another = types.UID("uid-of-something-else")
)

// claimOf returns a claim that somebody owns.
func claimOf(name string, owner types.UID) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("uid-" + name), ResourceVersion: "7",
		Labels: map[string]string{appsv1beta1.ManagedLabel: appsv1beta1.ManagedLabelValue},
	}}
	if owner != nobody {
		claim.OwnerReferences = []metav1.OwnerReference{{UID: owner, Controller: new(true)}}
	}
	return claim
}

func dying(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	claim.DeletionTimestamp = new(metav1.NewTime(now()))
	return claim
}

// having is what is observed together with some claims.
func (in Input) having(claims ...*corev1.PersistentVolumeClaim) Input {
	in.Claims = claims
	return in
}

// atNewest is what is observed of a CloneSet all of whose pods are at its one revision.
func atNewest(set *appsv1beta1.CloneSet, pods ...*corev1.Pod) Input {
	in := inputOf(set, pods...)
	in.Revisions.Current = in.Revisions.Update
	return in
}

func TestPodWithoutItsClaimsGetsThem(t *testing.T) {
	pod := updated("web-aaaaa", uses("data", "logs"))
	in := atNewest(cloneSet(1, withTemplates("data", "logs")), pod)
	expect(t, Compute(in), "CreateClaim data-web-aaaaa", "CreateClaim logs-web-aaaaa")
	in = in.having(claimOf("data-web-aaaaa", pod.UID))
	expect(t, Compute(in), "CreateClaim logs-web-aaaaa")
	in = in.having(claimOf("data-web-aaaaa", pod.UID), claimOf("logs-web-aaaaa", pod.UID))
	expect(t, Compute(in))
}

// What a template says of a claim's metadata, it is made with.
func TestClaimHasTheMetadataOfItsTemplate(t *testing.T) {
	set := cloneSet(1, withTemplates("data"))
	template := &set.Spec.VolumeClaimTemplates[0]
	template.Labels, template.Annotations = map[string]string{"tier": "gold"}, map[string]string{"note": "keep"}
	template.Finalizers = []string{"example.com/backup"}
	for _, a := range Compute(inputOf(set, updated("web-a", uses("data")))).Actions {
		if a.Kind != CreateClaim {
			continue
		}
		claim := a.Claim
		if claim.Labels["tier"] != "gold" || claim.Annotations["note"] != "keep" || !slices.Equal(claim.Finalizers, template.Finalizers) {
			t.Errorf("got %v, %v, %v", claim.Labels, claim.Annotations, claim.Finalizers)
		}
		return
	}
	t.Error("no claim is made")
}

func TestOwnerOfAClaimTellsWhetherItIsKept(t *testing.T) {
	tests := map[string]struct {
		set   *appsv1beta1.CloneSet
		pod   *corev1.Pod
		owner types.UID
		want  []string
	}{
		"it goes with the pod":              {cloneSet(1), updated("web-a"), "uid-web-a", nil},
		"it is kept":                        {cloneSet(1, reusing), updated("web-a"), theSet, nil},
		"reuse was turned on":               {cloneSet(1, reusing), updated("web-a"), "uid-web-a", []string{"AssignClaim data-web-a"}},
		"reuse was turned off":              {cloneSet(1), updated("web-a"), theSet, []string{"AssignClaim data-web-a"}},
		"it was orphaned with its pod":      {cloneSet(1, reusing), updated("web-a"), nobody, []string{"AssignClaim data-web-a"}},
		"it is somebody else's":             {cloneSet(1, reusing), updated("web-a"), another, nil},
		"the pod terminates":                {cloneSet(0, reusing), updated("web-a", terminating), "uid-web-a", nil},
		"the pod terminates, and is listed": {cloneSet(0, reusing, podsToDelete("web-a")), updated("web-a", terminating), theSet, []string{"AssignClaim data-web-a"}},
		"the pod is too many":               {cloneSet(0, reusing), updated("web-a", notReady()), theSet, []string{"AssignClaim data-web-a"}},
		"and takes it along":                {cloneSet(0, reusing), updated("web-a", notReady()), "uid-web-a", []string{"ScaleIn web-a"}},
		"the pod is listed":                 {cloneSet(1, reusing, podsToDelete("web-a")), updated("web-a", notReady()), theSet, []string{"AssignClaim data-web-a"}},
		"the pod is labelled":               {cloneSet(1, reusing), updated("web-a", specified, notReady()), theSet, []string{"AssignClaim data-web-a"}},
		"labelled, and takes it along":      {cloneSet(1, reusing), updated("web-a", specified, notReady()), "uid-web-a", []string{"DeleteSpecified web-a"}},
		"the pod is released":               {cloneSet(0, reusing), updated("web-a", testpods.Label("app", "x")), theSet, []string{"AssignClaim data-web-a"}},
		"released, and takes it along":      {cloneSet(0, reusing), updated("web-a", testpods.Label("app", "x")), "uid-web-a", []string{"Release web-a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withTemplates("data")(tt.set)
			uses("data")(tt.pod)
			expect(t, Compute(atNewest(tt.set, tt.pod).having(claimOf("data-web-a", tt.owner))), tt.want...)
		})
	}
}

func TestRecreationKeepsWhatIsToBeKept(t *testing.T) {
	pod := old("web-a", uses("data"))
	set := cloneSet(1, withEnv, withTemplates("data"), reusing)
	expect(t, Compute(inputOf(set, pod).having(claimOf("data-web-a", pod.UID))), "AssignClaim data-web-a")
	expect(t, Compute(inputOf(set, pod).having(claimOf("data-web-a", theSet))), "Recreate web-a")

	// A claim that is in use and not known lost its label. It is looked for before anything is deleted.
	expect(t, Compute(inputOf(set, pod)), "CreateClaim data-web-a")

	set = cloneSet(1, withEnv, withTemplates("data"))
	expect(t, Compute(inputOf(set, pod).having(claimOf("data-web-a", theSet))), "AssignClaim data-web-a")
	expect(t, Compute(inputOf(set, pod).having(claimOf("data-web-a", pod.UID))), "Recreate web-a")
}

func TestInPlaceUpdateTouchesNoClaim(t *testing.T) {
	pod := old("web-a", uses("data"), testpods.Drained(testpods.Start()))
	in := inputOf(cloneSet(1, withTemplates("data", "more"), reusing), pod)
	expect(t, Compute(in.having(claimOf("data-web-a", theSet))), "UpdateInPlace web-a")
}

func TestTemplateThatIsGone(t *testing.T) {
	set := cloneSet(1, withTemplates("other"))
	// Whoever runs keeps what there is.
	running := updated("web-a", uses("data"))
	expect(t, Compute(atNewest(set, running).having(claimOf("data-web-a", running.UID))))
	// Whoever waits for what cannot be made any more is replaced.
	waiting := updated("web-a", uses("data", "other"), unscheduled)
	expect(t, Compute(atNewest(set, waiting)), "Recreate web-a")
	// So it is where there are neither templates nor claims any more.
	expect(t, Compute(atNewest(cloneSet(1), waiting)), "Recreate web-a")
}

func TestForeignClaimIsUsedAndLeftAlone(t *testing.T) {
	pod := updated("web-a", uses("data"))
	in := atNewest(cloneSet(1, withTemplates("data"), reusing), pod)
	in.ForeignClaims = map[string]bool{"data-web-a": true}
	p := Compute(in)
	expect(t, p)
	if notes := p.Status.PodNotes; len(notes) != 1 || notes[0].Reason != appsv1beta1.NoteForeignClaim {
		t.Errorf("got notes %v", notes)
	}
	// It does not hold up a deletion.
	withEnv(in.Set)
	in.Pods = []*corev1.Pod{old("web-a", uses("data"))}
	in.Revisions.Current = Revision{Name: revisionA, Template: templateOf("app:a")}
	expect(t, Compute(in), "Recreate web-a")
}

func TestRefusedClaimIsReported(t *testing.T) {
	in := atNewest(cloneSet(1, withTemplates("data")), updated("web-a", uses("data"), notReady()))
	in.RefusedClaim, in.ClaimError = "data-web-a", "exceeded quota"
	p := Compute(in)
	expect(t, p, "CreateClaim data-web-a")
	want := "claim data-web-a could not be created: exceeded quota"
	if notes := p.Status.PodNotes; len(notes) != 1 || notes[0].Message != want {
		t.Errorf("got notes %v, want %s", notes, want)
	}
	if got := conditionOf(p, appsv1beta1.ConditionProgressing); got.Reason != appsv1beta1.ReasonPodsFailing {
		t.Errorf("got %s", got.Reason)
	}
}

// conditionOf returns a condition of a plan's status.
func conditionOf(p Plan, kind string) metav1.Condition {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}
