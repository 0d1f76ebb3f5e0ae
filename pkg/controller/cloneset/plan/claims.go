package plan

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// claims is what there is to know of the claims of a CloneSet's pods.
//
// A claim is deleted with its owner. So one that goes with its pod is the pod's, and one that is kept for the pod's
// successor is the CloneSet's. No pod is deleted before its claims are owned by whom they have to be: whatever write the
// controller dies after, no data is lost that is to be kept.
type claims struct {
	set *appsv1beta1.CloneSet
	// byID are the claims, by the id of the pod that they are for.
	byID map[string][]*corev1.PersistentVolumeClaim
	// named are the names of the pods that the user wants deleted.
	named sets.Set[string]
	// forGood are pods that get no successor, and gone those that are deleted or given up in this pass.
	forGood, gone sets.Set[types.UID]
	// free are the ids whose claims wait for a pod, sorted.
	free []string
	// held is how many pods on their way out have claims that their successors wait for.
	held int
	// useless are claims that no pod is to use again.
	useless []*corev1.PersistentVolumeClaim
}

// lookAtClaims returns what there is to know of claims, or nil if there are none, there shall be none, and no pod waits for one.
func lookAtClaims(in *Input) *claims {
	if !claimsMatter(in) {
		return nil
	}
	c := &claims{
		set: in.Set, byID: map[string][]*corev1.PersistentVolumeClaim{},
		named:   sets.New(in.Set.Spec.ScaleStrategy.PodsToDelete...),
		forGood: sets.Set[types.UID]{}, gone: sets.Set[types.UID]{},
	}
	for _, claim := range in.Claims {
		if _, id, ok := splitClaimName(in.Set, claim.Name); ok {
			c.byID[id] = append(c.byID[id], claim)
		}
	}
	pods := make(map[string]*corev1.Pod, len(in.Pods)+len(in.Orphans))
	for _, pod := range slices.Concat(in.Pods, in.Orphans) {
		pods[pod.Name] = pod
	}
	for id := range c.byID {
		pod := pods[podName(in.Set, id)]
		switch {
		case pod != nil && c.holds(pod):
			c.held++
		case pod == nil && !in.Taken[podName(in.Set, id)]:
			c.judge(id)
		}
	}
	slices.Sort(c.free)
	return c
}

// claimsMatter tells whether there are claims, or shall be, or a pod waits for one.
func claimsMatter(in *Input) bool {
	return len(in.Claims) > 0 || len(in.Set.Spec.VolumeClaimTemplates) > 0 || slices.ContainsFunc(in.Pods, wantsClaims)
}

// wantsClaims tells whether a pod that no node has was made with claims.
func wantsClaims(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return OwnClaim(pod, &v) != "" })
}

// judge finds out what becomes of the claims of a pod that is gone. Those that go with that pod are left to the garbage
// collection; until then nobody gets their id.
func (c *claims) judge(id string) {
	isKept := func(claim *corev1.PersistentVolumeClaim) bool {
		return claim.DeletionTimestamp == nil && metav1.IsControlledBy(claim, c.set)
	}
	if c.reuse() && !c.named.Has(podName(c.set, id)) {
		others := slices.ContainsFunc(c.byID[id], func(claim *corev1.PersistentVolumeClaim) bool { return !isKept(claim) })
		if !others && slices.ContainsFunc(c.byID[id], c.hasTemplate) {
			c.free = append(c.free, id)
		}
		return
	}
	for _, claim := range c.byID[id] {
		if isKept(claim) {
			c.useless = append(c.useless, claim)
		}
	}
}

// holds tells whether a pod is on its way out and has claims that are kept for its successor. Those of a pod that has
// ended are as soon as it is known.
func (c *claims) holds(pod *corev1.Pod) bool {
	if (pod.DeletionTimestamp == nil && !hasEnded(pod)) || c.wantedOwner(pod).UID == pod.UID {
		return false
	}
	return slices.ContainsFunc(c.of(pod), func(claim *corev1.PersistentVolumeClaim) bool {
		return c.hasTemplate(claim) && (pod.DeletionTimestamp == nil || metav1.IsControlledBy(claim, c.set))
	})
}

// of returns the claims that were made for a pod and are neither terminating nor somebody else's, by name.
func (c *claims) of(pod *corev1.Pod) []*corev1.PersistentVolumeClaim {
	id, _ := idOf(c.set, pod)
	var found []*corev1.PersistentVolumeClaim
	for _, claim := range c.byID[id] {
		if claim.DeletionTimestamp == nil && c.isOurs(claim, pod) {
			found = append(found, claim)
		}
	}
	slices.SortFunc(found, func(a, b *corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// isOurs tells whether a claim was made for a pod by the controller: one that has our label and nobody owns was orphaned
// together with the pod.
func (c *claims) isOurs(claim *corev1.PersistentVolumeClaim, pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(claim)
	if owner == nil {
		return claim.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
	}
	return owner.UID == c.set.UID || owner.UID == pod.UID
}

// known tells whether a claim exists, whoever's it is.
func (c *claims) known(pod *corev1.Pod, name string) bool {
	id, _ := idOf(c.set, pod)
	return slices.ContainsFunc(c.byID[id], func(claim *corev1.PersistentVolumeClaim) bool { return claim.Name == name })
}

// template returns the template that a name is of, or nil.
func (c *claims) template(name string) *corev1.PersistentVolumeClaim {
	for i := range c.set.Spec.VolumeClaimTemplates {
		if c.set.Spec.VolumeClaimTemplates[i].Name == name {
			return &c.set.Spec.VolumeClaimTemplates[i]
		}
	}
	return nil
}

// hasTemplate tells whether a new pod would use a claim.
func (c *claims) hasTemplate(claim *corev1.PersistentVolumeClaim) bool {
	name, _, _ := splitClaimName(c.set, claim.Name)
	return c.template(name) != nil
}

func (c *claims) reuse() bool { return c.set.Spec.ScaleStrategy.EnablePVCReuse }

// wantedOwner returns whom the claims of a pod are to be owned by. A surge pod that goes has no successor.
func (c *claims) wantedOwner(pod *corev1.Pod) metav1.OwnerReference {
	_, specified := pod.Labels[appsv1beta1.SpecifiedDeleteLabel]
	surges := pod.Labels[appsv1beta1.SurgeLabel] == appsv1beta1.SurgeTemporary
	if c.reuse() && !surges && !specified && !c.named.Has(pod.Name) && !c.forGood.Has(pod.UID) {
		return *metav1.NewControllerRef(c.set, appsv1beta1.CloneSetKind)
	}
	return metav1.OwnerReference{
		APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID, Controller: new(true),
	}
}

// misowned returns the claims of a pod whose owner is not the wanted one, or that lost the label by which they are found.
func (c *claims) misowned(pod *corev1.Pod) []*corev1.PersistentVolumeClaim {
	wanted := c.wantedOwner(pod).UID
	return slices.DeleteFunc(c.of(pod), func(claim *corev1.PersistentVolumeClaim) bool {
		owner := metav1.GetControllerOfNoCopy(claim)
		return owner != nil && owner.UID == wanted &&
			claim.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
	})
}
