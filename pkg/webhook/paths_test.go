package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// withVolumes returns a CloneSet of a claim and of three volumes, the first of which the claim takes the place of.
func withVolumes() *appsv1beta1.CloneSet {
	set := cloneSet()
	set.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data"}, {Name: "cache"}, {Name: "config"}}
	set.Spec.VolumeClaimTemplates = claimNamed("data")
	return set
}

func TestFieldsOfThePodAreInTheTemplate(t *testing.T) {
	set := withVolumes()
	paths := pathsOf(set, trialPod(set))
	for pod, want := range map[string]string{
		"spec.containers[0].ports[0].containerPort": "spec.template.spec.containers[0].ports[0].containerPort",
		"spec":                              "spec.template.spec",
		"spec.volumes":                      "spec.template.spec.volumes",
		"spec.volumes[0].secret.secretName": "spec.template.spec.volumes[1].secret.secretName",
		"spec.volumes[1].name":              "spec.template.spec.volumes[2].name",
		"spec.volumes[2].persistentVolumeClaim.claimName": "spec.volumeClaimTemplates[0]",
		"spec.volumes[3].name":                            "spec.template.spec.volumes[3].name",
		"spec.volumes[-1].name":                           "spec.template.spec.volumes[-1].name",
		"spec.volumes[1":                                  "spec.template.spec.volumes[1",
		"metadata.labels":                                 "spec.template.metadata.labels",
		"metadata.annotations[a]":                         "spec.template.metadata.annotations[a]",
		"metadata.finalizers[0]":                          "spec.template.metadata.finalizers[0]",
		"metadata.name":                                   "metadata.name",
		"metadata.labelsOfOthers":                         "metadata.labelsOfOthers",
		"specs":                                           "spec.template",
		"status.phase":                                    "spec.template",
		"":                                                "spec.template",
	} {
		if got := paths.of(pod); got != want {
			t.Errorf("%q is at %q, want %q", pod, got, want)
		}
	}
}

func TestRefusalSpeaksOfTheCloneSet(t *testing.T) {
	kind := corev1.SchemeGroupVersion.WithKind("Pod").GroupKind()
	port := field.Invalid(field.NewPath("spec", "containers").Index(0).Child("ports").Index(0).Child("containerPort"), 0, "too low")
	image := field.Required(field.NewPath("spec", "initContainers").Index(1).Child("image"), "")
	strict := `Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containers[0].later", duplicate field "metadata.labels.a"`
	tests := map[string]struct {
		err  error
		want string
	}{
		"one field": {
			apierrors.NewInvalid(kind, "web-trial", field.ErrorList{port}),
			`spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 0: too low`,
		},
		"two fields": {
			apierrors.NewInvalid(kind, "web-trial", field.ErrorList{port, image}),
			`[spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 0: too low, spec.template.spec.initContainers[1].image: Required value]`,
		},
		"fields that this API server does not know": {
			apierrors.NewBadRequest(strict),
			`[spec.template.spec.containers[0].later: unknown field to this API server, spec.template.metadata.labels.a: duplicate field to this API server]`,
		},
		"somebody's webhook": {
			apierrors.NewBadRequest(`admission webhook "a.b" denied the request: no`),
			`spec.template: admission webhook "a.b" denied the request: no`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := cloneSet()
			err := pathsOf(set, trialPod(set)).refusal(tt.err)
			if want := `CloneSet.apps.insitu.dev "web" is invalid: ` + tt.want; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if !apierrors.IsInvalid(err) {
				t.Errorf("got the reason %s", apierrors.ReasonForError(err))
			}
		})
	}
}

func TestWarningsSpeakOfTheCloneSet(t *testing.T) {
	set := cloneSet()
	got := pathsOf(set, trialPod(set)).warnings([]string{
		`spec.nodeSelector[a]: deprecated`, `metadata.annotations[b]: deprecated`, `would violate PodSecurity "restricted:latest": much`, `plain`,
	})
	want := []string{
		`spec.template.spec.nodeSelector[a]: deprecated`, `spec.template.metadata.annotations[b]: deprecated`,
		`would violate PodSecurity "restricted:latest": much`, `plain`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// FuzzPaths moves whatever an API server, or a webhook of somebody, may name. What is told is never lost, and what is
// named is in the CloneSet.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{
		"spec.containers[0].image", "spec.volumes[0].name", "spec.volumes[99999999999999999999].name", "spec.volumes[", "spec.volumes[]",
		"metadata.labels[a/b]", "metadata.", "spec.", "", "a: b", `unknown field "spec.volumes[1].a"`,
	} {
		f.Add(seed, "message")
	}
	f.Fuzz(func(t *testing.T, named, message string) {
		set := withVolumes()
		paths := pathsOf(set, trialPod(set))
		moved := paths.of(named)
		if !strings.HasPrefix(moved, "spec.template") && !strings.HasPrefix(moved, "spec.volumeClaimTemplates[") &&
			!strings.HasPrefix(moved, "metadata.") {
			t.Errorf("%q is at %q", named, moved)
		}
		invalid := apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "web-trial", field.ErrorList{
			field.Forbidden(field.NewPath(named), message),
		})
		for _, err := range []error{invalid, apierrors.NewBadRequest(message + named), errors.New(message)} {
			refusal := paths.refusal(err)
			if !apierrors.IsInvalid(refusal) || len(paths.causes(err)) == 0 {
				t.Errorf("%v became %v", err, refusal)
			}
		}
		if !strings.Contains(paths.refusal(invalid).Error(), message) {
			t.Errorf("%q is lost in %v", message, paths.refusal(invalid))
		}
		if got := paths.warnings([]string{named + ": " + message}); len(got) != 1 || !strings.HasSuffix(got[0], message) {
			t.Errorf("the warning %q became %q", message, got)
		}
	})
}
