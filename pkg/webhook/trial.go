package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

const (
	// trialTimeout bounds a trial, and readTimeout one more request, within the ten seconds that the API server waits.
	trialTimeout, readTimeout = 3 * time.Second, 2 * time.Second
	// trialID has a vowel, which the controller's names never have, so that no pod has the name of the trial's.
	trialID = "-trial"
)

// trialPod returns the pod that the controller would make of a CloneSet's template.
func trialPod(set *appsv1beta1.CloneSet) *corev1.Pod {
	return plan.NewPod(set, plan.Revision{Name: set.Name + trialID, Template: &set.Spec.Template}, set.Name+trialID)
}

// samePod tells whether the same pods would be made of two states of a CloneSet.
func samePod(before, after *appsv1beta1.CloneSet) bool {
	return equality.Semantic.DeepEqual(trialPod(before), trialPod(after))
}

// try has the API server make a pod of the template and throw it away. It is refused with the API server's words if it is
// the pod that is wrong; whatever else is in the way may be gone when the controller gets to it, and is warned of.
func (v *Validator) try(ctx context.Context, set *appsv1beta1.CloneSet) (admission.Warnings, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	ctx, heard := withWarnings(ctx)
	pod := trialPod(set)
	paths := pathsOf(set, pod)
	err := v.Pods.Create(ctx, pod.DeepCopy(), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	warnings := admission.Warnings(paths.warnings(heard.texts))
	switch {
	case err == nil || apierrors.IsAlreadyExists(err): // A pod is looked for under its name after it was validated.
		return warnings, nil
	case isRefusal(err):
		return nil, paths.refusal(err)
	}
	return append(warnings, "spec.template: no pod could be made of it on trial: "+err.Error()), nil
}

// isRefusal tells whether an error says that a pod is wrong, and not that it cannot be made right now.
func isRefusal(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status().Code {
	case http.StatusUnprocessableEntity:
		return true
	case http.StatusBadRequest:
		// Webhooks of others that have side effects are not called in a dry run. They are when the pod is made.
		return !strings.Contains(err.Error(), "does not support dry run")
	}
	return false
}

// warningsKey is the key of the warnings of a request in its context.
type warningsKey struct{}

// heard are the warnings that the API server answers one request with.
type heard struct{ texts []string }

func withWarnings(ctx context.Context) (context.Context, *heard) {
	h := &heard{}
	return context.WithValue(ctx, warningsKey{}, h), h
}

// warningsToContext keeps each request's warnings apart.
type warningsToContext struct{}

// HandleWarningHeaderWithContext takes note of a warning for whoever sent the request.
func (warningsToContext) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	if h, ok := ctx.Value(warningsKey{}).(*heard); ok {
		h.texts = append(h.texts, text)
	}
}
