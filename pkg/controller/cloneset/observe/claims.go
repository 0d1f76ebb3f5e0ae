package observe

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// claimIndex finds claims by the CloneSet whose pods they are for.
const claimIndex = "cloneset"

// CloneSetOf returns the CloneSet whose pods a claim is for, or nothing. Its owner tells: the CloneSet, or a pod, whose
// name is the CloneSet's and the id.
func CloneSetOf(claim *corev1.PersistentVolumeClaim) types.NamespacedName {
	owner := metav1.GetControllerOfNoCopy(claim)
	if owner == nil {
		return types.NamespacedName{}
	}
	switch owner.Kind {
	case appsv1beta1.CloneSetKind.Kind:
		return types.NamespacedName{Namespace: claim.Namespace, Name: owner.Name}
	case "Pod":
		if i := strings.LastIndexByte(owner.Name, '-'); i > 0 {
			return types.NamespacedName{Namespace: claim.Namespace, Name: owner.Name[:i]}
		}
	}
	return types.NamespacedName{}
}

func byCloneSet(object any) ([]string, error) {
	if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
		if set := CloneSetOf(claim); set.Name != "" {
			return []string{set.String()}, nil
		}
	}
	return nil, nil
}

// trimClaim drops what no decision needs.
func trimClaim(object any) (any, error) {
	if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
		return TrimClaim(claim), nil
	}
	return object, nil
}

// TrimClaim returns a claim with only the fields that decisions need.
func TrimClaim(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	kept := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: claim.Name, Namespace: claim.Namespace, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
		DeletionTimestamp: claim.DeletionTimestamp, OwnerReferences: claim.OwnerReferences,
	}}
	if value, ok := claim.Labels[appsv1beta1.ManagedLabel]; ok {
		kept.Labels = map[string]string{appsv1beta1.ManagedLabel: value}
	}
	return kept
}

// trimVolumes keeps of a pod's volumes the claims that were made for it.
func trimVolumes(pod *corev1.Pod) []corev1.Volume {
	var kept []corev1.Volume
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		if name := plan.OwnClaim(pod, volume); name != "" {
			kept = append(kept, corev1.Volume{Name: volume.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
			}})
		}
	}
	return kept
}

// observeClaims adds the claims of a CloneSet to a snapshot.
func (o *Observer) observeClaims(ctx context.Context, in *plan.Input) error {
	set := in.Set
	key := types.NamespacedName{Namespace: set.Namespace, Name: set.Name}
	var err error
	if in.Claims, err = byIndex[*corev1.PersistentVolumeClaim](o.Stores.Claims, claimIndex, key.String()); err != nil {
		return err
	}
	if err := o.addUnowned(in); err != nil {
		return err
	}
	in.RefusedClaim, in.ClaimError = o.Tracker.claimError(set.UID)
	return o.lookForClaims(ctx, in)
}

// addUnowned adds the claims of pods that nobody owns: they were orphaned, as the pods were.
func (o *Observer) addUnowned(in *plan.Input) error {
	for _, pod := range in.Pods {
		for i := range pod.Spec.Volumes {
			name := plan.OwnClaim(pod, &pod.Spec.Volumes[i])
			if name == "" {
				continue
			}
			claim, err := o.claim(pod.Namespace, name)
			if err != nil {
				return err
			}
			if claim != nil && CloneSetOf(claim).Name == "" {
				in.Claims = append(in.Claims, claim)
			}
		}
	}
	return nil
}

// claim returns a claim of the cache, or nil.
func (o *Observer) claim(namespace, name string) (*corev1.PersistentVolumeClaim, error) {
	object, exists, err := o.Stores.Claims.GetByKey(namespace + "/" + name)
	if err != nil || !exists {
		return nil, wrapCache(err)
	}
	claim, _ := object.(*corev1.PersistentVolumeClaim)
	return claim, nil
}

func wrapCache(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading the cache: %w", err)
}

// lookForClaims reads those claims live that exist though the cache does not hold them: they are somebody else's, or lost
// our label. One that is somebody else's is looked at again as long as the pod that names it has no node: it may be gone
// before it is used.
func (o *Observer) lookForClaims(ctx context.Context, in *plan.Input) error {
	sought := o.Tracker.soughtClaims(in.Set.UID)
	if len(sought) == 0 {
		return nil
	}
	in.ForeignClaims = map[string]bool{}
	for _, pod := range in.Pods {
		for i := range pod.Spec.Volumes {
			name := plan.OwnClaim(pod, &pod.Spec.Volumes[i])
			foreign, isSought := sought[name]
			delete(sought, name)
			if !isSought {
				continue
			}
			if foreign && pod.Spec.NodeName != "" {
				in.ForeignClaims[name] = true
				continue
			}
			if err := o.lookForClaim(ctx, in, name); err != nil {
				return err
			}
		}
	}
	for name := range sought { // No pod names them any more.
		o.Tracker.foundClaim(in.Set.UID, name)
	}
	return nil
}

func (o *Observer) lookForClaim(ctx context.Context, in *plan.Input, name string) error {
	cached, err := o.claim(in.Set.Namespace, name)
	if err != nil {
		return err
	}
	claim := &corev1.PersistentVolumeClaim{}
	if cached == nil {
		err = o.Live.Get(ctx, types.NamespacedName{Namespace: in.Set.Namespace, Name: name}, claim)
	}
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("looking for claim %s: %w", name, err)
	case cached != nil, apierrors.IsNotFound(err):
		o.Tracker.foundClaim(in.Set.UID, name)
	case CloneSetOf(claim).Name == "" && claim.Labels[appsv1beta1.ManagedLabel] != appsv1beta1.ManagedLabelValue:
		in.ForeignClaims[name] = true
		o.Tracker.SeekClaim(in.Set.UID, name, true)
	default:
		in.Claims = append(in.Claims, TrimClaim(claim))
	}
	return nil
}

// SeekClaim takes note that a claim exists that the cache does not hold, and whether it is known to be somebody else's.
func (t *Tracker) SeekClaim(owner types.UID, name string, foreign bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner(owner).sought[name] = foreign
}

func (t *Tracker) soughtClaims(owner types.UID) map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return maps.Clone(m.sought)
	}
	return nil
}

// foundClaim takes note that a claim needs no more looking for.
func (t *Tracker) foundClaim(owner types.UID, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.owner(owner).sought, name)
}

// SeeClaimError takes note of why a claim was refused, or with an empty text that it was made.
func (t *Tracker) SeeClaimError(owner types.UID, name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owner(owner); text != "" || m.refusedClaim == name {
		m.refusedClaim, m.claimError = name, text
	}
}

// claimError returns the claim that was refused last, and why.
func (t *Tracker) claimError(owner types.UID) (name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.owners[owner]; m != nil {
		return m.refusedClaim, m.claimError
	}
	return "", ""
}
