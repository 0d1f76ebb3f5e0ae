package apply_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func reported() *appsv1beta1.CloneSet {
	return &appsv1beta1.CloneSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "uid-web"},
		Status: appsv1beta1.CloneSetStatus{
			ObservedGeneration: 2, Replicas: 3, ReadyReplicas: 3, UpdateRevision: "web-b", CurrentRevision: "web-a",
			RecreateField: "spec.template.spec.volumes", CollisionCount: new(int32(1)),
			Conditions: []metav1.Condition{{Type: "Available", Status: metav1.ConditionTrue, Reason: "Yes"}},
			PodNotes:   []appsv1beta1.PodNote{{Name: "web-x", Reason: "ErrImagePull"}},
		},
	}
}

func TestStatusIsWritten(t *testing.T) {
	e, s := newServer(t, reported())
	status := appsv1beta1.CloneSetStatus{
		ObservedGeneration: 3, Replicas: 0, UpdateRevision: "web-c", CurrentRevision: "web-c",
		Conditions: []metav1.Condition{{Type: "Progressing", Status: metav1.ConditionTrue, Reason: "Complete"}},
	}
	wrote, err := e.Status(t.Context(), reported(), &status)
	if err != nil {
		t.Fatal(err)
	}
	found := &appsv1beta1.CloneSet{}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(reported()), found); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(status, found.Status); diff != "" {
		t.Errorf("status, without what it lacks (-want +got):\n%s", diff)
	}
	if wrote != found.ResourceVersion {
		t.Errorf("got resourceVersion %s, want %s", wrote, found.ResourceVersion)
	}
}

func TestSameStatusIsNotWritten(t *testing.T) {
	e, s := newServer(t, reported())
	wrote, err := e.Status(t.Context(), reported(), &reported().Status)
	if err != nil || wrote != "" || len(s.calls) != 0 {
		t.Errorf("got resourceVersion %q, %v and calls %v", wrote, err, s.calls)
	}
}

func TestFailureToWriteTheStatusIsReturned(t *testing.T) {
	e, s := newServer(t, reported())
	gone := apierrors.NewNotFound(appsv1beta1.GroupVersion.WithResource("clonesets").GroupResource(), "web")
	s.refuse["patch status web"] = gone
	wrote, err := e.Status(t.Context(), reported(), &appsv1beta1.CloneSetStatus{})
	if !apierrors.IsNotFound(err) || wrote != "" {
		t.Errorf("got resourceVersion %q and %v", wrote, err)
	}
}

func TestLateStatusIsRefused(t *testing.T) {
	e, s := newServer(t, reported())
	read := &appsv1beta1.CloneSet{}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(reported()), read); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Status(t.Context(), read, &appsv1beta1.CloneSetStatus{ObservedGeneration: 3}); err != nil {
		t.Fatal(err)
	}
	wrote, err := e.Status(t.Context(), read, &appsv1beta1.CloneSetStatus{ObservedGeneration: 2, Replicas: 1})
	if !apierrors.IsConflict(err) || wrote != "" {
		t.Errorf("a status that was made from an older CloneSet: got resourceVersion %q and %v, want a conflict", wrote, err)
	}
}
