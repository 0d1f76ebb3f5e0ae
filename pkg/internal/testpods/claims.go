package testpods

import (
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// PatchedClaim returns the claim that an API server makes of a claim and a strategic merge patch. It fails if a
// precondition of the patch does not hold.
func PatchedClaim(claim *corev1.PersistentVolumeClaim, patch []byte) (*corev1.PersistentVolumeClaim, error) {
	var conditions struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(patch, &conditions); err != nil {
		return nil, fmt.Errorf("%s: %w", patch, err)
	}
	if m := conditions.Metadata; m.UID != claim.UID || m.ResourceVersion != claim.ResourceVersion {
		return nil, fmt.Errorf("the patch is for %s at %s, the claim is %s at %s",
			m.UID, m.ResourceVersion, claim.UID, claim.ResourceVersion)
	}
	before, err := json.Marshal(claim)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, corev1.PersistentVolumeClaim{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", patch, err)
	}
	patched := &corev1.PersistentVolumeClaim{}
	if err := json.Unmarshal(after, patched); err != nil {
		return nil, err
	}
	version, err := strconv.Atoi(claim.ResourceVersion)
	patched.ResourceVersion = strconv.Itoa(version + 1)
	return patched, err
}
