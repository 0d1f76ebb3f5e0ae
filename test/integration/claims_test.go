package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// setClaims gives new pods a claim for each name.
func setClaims(names ...string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) {
		set.Spec.VolumeClaimTemplates = nil
		for _, name := range names {
			set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: claimSpec(),
			})
		}
	}
}

func claimSpec() corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")},
		},
	}
}

func setReuse(reuse bool) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.EnablePVCReuse = reuse }
}

// claims returns the claims of the test's namespace that are not terminating, by name.
func (e *env) claims() map[string]*corev1.PersistentVolumeClaim {
	e.Helper()
	list := &corev1.PersistentVolumeClaimList{}
	e.must(e.client.List(e.ctx, list, client.InNamespace(e.namespace)))
	found := map[string]*corev1.PersistentVolumeClaim{}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			found[list.Items[i].Name] = &list.Items[i]
		}
	}
	return found
}

// untilClaimed waits until the pods, and nothing else, have a bound claim for each name, owned by the pods or by the
// CloneSet, and none is terminating. It returns the volumes by the names of the claims.
func (e *env) untilClaimed(owner string, names ...string) map[string]string {
	e.Helper()
	volumes := map[string]string{}
	e.poll(func() (bool, string) {
		volumes = map[string]string{}
		found := e.claims()
		for _, pod := range e.view.Pods(app) {
			if pod.DeletionTimestamp != nil {
				return false, "pod " + pod.Name + " is terminating"
			}
			for _, name := range names {
				claim := found[name+"-"+pod.Name]
				if text := e.unlike(claim, pod, owner); text != "" {
					return false, fmt.Sprintf("the claim %s of pod %s %s", name, pod.Name, text)
				}
				volumes[claim.Name] = claim.Spec.VolumeName
			}
		}
		return len(volumes) == len(found), fmt.Sprintf("there are %d claims, %d of them of pods", len(found), len(volumes))
	})
	return volumes
}

// unlike tells what a claim of a pod lacks.
func (e *env) unlike(claim *corev1.PersistentVolumeClaim, pod *corev1.Pod, owner string) string {
	uid := pod.UID
	if owner != "Pod" {
		uid = e.view.CloneSet(app).UID
	}
	switch {
	case claim == nil:
		return "is missing"
	case claim.Status.Phase != corev1.ClaimBound:
		return "is not bound"
	case len(claim.OwnerReferences) != 1 || claim.OwnerReferences[0].UID != uid || claim.OwnerReferences[0].Kind != owner:
		return fmt.Sprintf("is owned by %v", claim.OwnerReferences)
	case claim.Labels[framework.AppLabel] != app || !strings.HasSuffix(claim.Name, "-"+claim.Labels[appsv1beta1.InstanceIDLabel]):
		return fmt.Sprintf("has labels %v", claim.Labels)
	}
	return ""
}

func TestClaimsGoWithTheirPods(t *testing.T) {
	e := newEnv(t)
	e.created(3, setClaims("data", "logs"))
	first := e.untilClaimed("Pod", "data", "logs")

	e.change(setImage(imageV2))
	e.untilComplete(app)
	if after := e.untilClaimed("Pod", "data", "logs"); !maps.Equal(after, first) {
		t.Errorf("an update in place changed the claims:\n%v\n%v", first, after)
	}

	e.change(setReplicas(1))
	e.untilComplete(app)
	kept := e.untilClaimed("Pod", "data", "logs")
	for name, volume := range kept {
		if first[name] != volume {
			t.Errorf("scaling in changed the claim %s", name)
		}
	}

	e.change(setEnv("new"))
	e.untilComplete(app)
	// A name that has become free may be given again: it is the volume that tells a new claim.
	for name, volume := range e.untilClaimed("Pod", "data", "logs") {
		if kept[name] == volume {
			t.Errorf("the claim %s outlived its pod", name)
		}
	}
	e.must(e.client.Delete(e.ctx, e.view.CloneSet(app)))
	e.poll(func() (bool, string) { return len(e.claims()) == 0, "claims are left over" })
	e.expectNoConflict()
}

func TestClaimsOutliveTheirPods(t *testing.T) {
	e := newEnv(t)
	e.created(3, setClaims("data"), setReuse(true))
	first := e.untilClaimed("CloneSet", "data")
	expectSame := func(what string) {
		t.Helper()
		if after := e.untilClaimed("CloneSet", "data"); !maps.Equal(after, first) {
			t.Errorf("%s changed the claims:\n%v\n%v", what, first, after)
		}
	}
	e.change(setEnv("new"))
	e.untilComplete(app)
	expectSame("recreation")

	lost := e.view.Pods(app)[0]
	e.must(e.client.Delete(e.ctx, lost))
	e.untilSuccessor(lost)
	expectSame("deletion by hand")

	evicted := e.view.Pods(app)[0]
	e.editStatus(evicted, func(pod *corev1.Pod) { pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, "Evicted" })
	e.untilSuccessor(evicted)
	expectSame("an eviction")
}

// untilSuccessor waits until a pod was replaced by one of the same name.
func (e *env) untilSuccessor(lost *corev1.Pod) {
	e.Helper()
	e.untilPod("took the place of "+lost.Name, func(pod *corev1.Pod) bool {
		return pod.Name == lost.Name && pod.UID != lost.UID && framework.IsReady(pod)
	})
	e.untilComplete(app)
}

func TestClaimsOfPodsThatAreDeletedForGoodAreDeleted(t *testing.T) {
	e := newEnv(t)
	e.created(3, setClaims("data"), setReuse(true))
	first := e.untilClaimed("CloneSet", "data")

	e.change(setReplicas(2))
	e.untilComplete(app)
	second := e.untilClaimed("CloneSet", "data")
	for name, volume := range second {
		if first[name] != volume {
			t.Errorf("scaling in changed the claim %s", name)
		}
	}

	doomed := e.view.Pods(app)[0]
	e.edit(doomed, func(pod *corev1.Pod) { pod.Labels[appsv1beta1.SpecifiedDeleteLabel] = "" })
	e.untilGone(doomed)
	e.untilComplete(app)
	if third := e.untilClaimed("CloneSet", "data"); third["data-"+doomed.Name] != "" || len(third) != 2 {
		t.Errorf("the claims are %v after %s was to be deleted", third, doomed.Name)
	}

	e.change(setReuse(false))
	e.untilClaimed("Pod", "data")
	e.change(setReuse(true))
	e.untilClaimed("CloneSet", "data")
}

// The claims of a pod that is gone wait for the next one, until reuse is turned off.
func TestClaimsThatWaitForAPod(t *testing.T) {
	e := newQuietEnv(t)
	m := e.startManager()
	e.created(2, setClaims("data"), setReuse(true))
	first := e.untilClaimed("CloneSet", "data")
	lost := e.view.Pods(app)[0]
	e.stopManager(m)
	e.must(e.client.Delete(e.ctx, lost))
	e.untilGone(lost)
	e.change(setReplicas(1))
	m = e.startManager()
	e.untilComplete(app)
	if len(e.claims()) != 2 {
		t.Errorf("there are claims %v, want 2", slices.Collect(maps.Keys(e.claims())))
	}
	e.change(setReplicas(2))
	e.untilComplete(app)
	if after := e.untilClaimed("CloneSet", "data"); !maps.Equal(after, first) {
		t.Errorf("the pod that came got none of the claims that waited:\n%v\n%v", first, after)
	}
	e.stopManager(m)
	e.must(e.client.Delete(e.ctx, e.view.Pod(lost.Name)))
	e.untilGone(e.view.Pods(app)[0])
	e.change(setReplicas(1), setReuse(false))
	e.startManager()
	e.untilComplete(app)
	e.untilClaimed("Pod", "data")
}

func TestForeignClaimIsUsedAndLeftAlone(t *testing.T) {
	e := newEnv(t)
	e.created(0, setClaims("data"))
	name := e.nextName()
	foreign := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "data-" + name}, Spec: claimSpec(),
	}
	e.must(e.client.Create(e.ctx, foreign))
	e.change(setReplicas(1))
	e.untilComplete(app)
	e.untilSet("the claim is not noted", func(set *appsv1beta1.CloneSet) bool {
		return slices.ContainsFunc(set.Status.PodNotes, func(n appsv1beta1.PodNote) bool {
			return n.Name == name && n.Reason == appsv1beta1.NoteForeignClaim
		})
	})
	e.change(setReplicas(0))
	e.until(func() (bool, string) { return len(e.view.Pods(app)) == 0, "the pod is not gone" })
	e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(foreign), foreign))
	if foreign.DeletionTimestamp != nil || len(foreign.OwnerReferences) > 0 || len(foreign.Labels) > 0 {
		t.Errorf("the foreign claim was changed: %v", foreign.ObjectMeta)
	}
}

func TestQuotaForbidsClaims(t *testing.T) {
	e := newEnv(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: "few"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourcePersistentVolumeClaims: resource.MustParse("1"),
		}},
	}
	e.must(e.client.Create(e.ctx, quota))
	e.poll(func() (bool, string) {
		e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(quota), quota))
		return len(quota.Status.Hard) > 0, "the quota is not in force"
	})
	set := e.cloneSet(app, 3)
	setClaims("data")(set)
	e.must(e.client.Create(e.ctx, set))
	e.untilReason(appsv1beta1.ReasonPodsFailing, "exceeded quota: few")
	e.untilSet("the pod whose claim is allowed is not in service", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.AvailableReplicas == 1
	})
	e.must(e.client.Delete(e.ctx, quota))
	e.untilComplete(app)
	e.untilClaimed("Pod", "data")
}

func TestClaimThatLostItsLabelGetsItBack(t *testing.T) {
	e := newEnv(t)
	e.created(1, setClaims("data"), setReuse(true))
	e.untilClaimed("CloneSet", "data")
	name := "data-" + e.view.Pods(app)[0].Name
	claim := e.claims()[name]
	bare := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+appsv1beta1.ManagedLabel+`":null}}}`))
	e.must(e.client.Patch(e.ctx, claim, bare))
	e.poll(func() (bool, string) {
		return e.claims()[name].Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue, "the label is not back"
	})
	e.change(setEnv("new"))
	e.untilComplete(app)
	if after := e.claims()[name]; after == nil || after.UID != claim.UID {
		t.Errorf("the claim is now %v", after)
	}
}

func TestTemplatesOfClaimsChange(t *testing.T) {
	e := newEnv(t)
	e.created(2, setClaims("data"))
	before := e.identities()
	e.change(setClaims("other"))
	e.untilComplete(app)
	e.expectIdentities(before)
	first := e.untilClaimed("Pod", "data")
	e.change(setEnv("new"))
	e.untilComplete(app)
	if after := e.untilClaimed("Pod", "other"); len(after) != len(first) {
		t.Errorf("the claims are %v", after)
	}
}
