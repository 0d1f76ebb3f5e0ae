package apply_test

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

func claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("uid-" + name),
	}}
}

func TestClaims(t *testing.T) {
	assigned, gone := claim("data-web-b"), claim("data-web-c")
	e, s := newServer(t, assigned, gone)
	patch := `{"metadata":{"uid":"uid-data-web-b","ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"web-b","uid":"uid-web-b"}]}}`
	results := e.Do(t.Context(), []plan.Action{
		{Kind: plan.CreateClaim, Verb: plan.VerbCreate, Claim: claim("data-web-a")},
		{Kind: plan.AssignClaim, Verb: plan.VerbPatch, Claim: assigned, Patch: []byte(patch)},
		{Kind: plan.DeleteClaim, Verb: plan.VerbDelete, Claim: gone},
	})
	if len(results) != 3 || failures(results) != 0 {
		t.Fatalf("got %+v", results)
	}
	for name, want := range map[string]func(*corev1.PersistentVolumeClaim, error) bool{
		"data-web-a": func(_ *corev1.PersistentVolumeClaim, err error) bool { return err == nil },
		"data-web-b": func(c *corev1.PersistentVolumeClaim, err error) bool {
			return err == nil && len(c.OwnerReferences) == 1
		},
		"data-web-c": func(_ *corev1.PersistentVolumeClaim, err error) bool { return apierrors.IsNotFound(err) },
	} {
		found := &corev1.PersistentVolumeClaim{}
		err := s.Get(t.Context(), client.ObjectKeyFromObject(claim(name)), found)
		if !want(found, err) {
			t.Errorf("%s: got %+v, %v", name, found.OwnerReferences, err)
		}
		for _, result := range results {
			if result.Name() == name && err == nil && result.ResourceVersion != found.ResourceVersion {
				t.Errorf("%s: got resourceVersion %q, want %q", name, result.ResourceVersion, found.ResourceVersion)
			}
		}
	}
}

// A quota for claims that is used up costs few calls, and stops no pod.
func TestRefusedClaimsStopNoPods(t *testing.T) {
	e, s := newServer(t)
	s.refuse["create claim-00"] = errors.New("quota")
	actions := creations(3)
	for i := range 40 {
		actions = append(actions, plan.Action{
			Kind: plan.CreateClaim, Verb: plan.VerbCreate, Claim: claim(fmt.Sprintf("claim-%02d", i)),
		})
	}
	if results := e.Do(t.Context(), actions); len(results) != 3+1 || failures(results) != 1 {
		t.Errorf("got %d results, %d of them failures; want 4, 1 of them", len(results), failures(results))
	}
}
