package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const envField = "spec.template.spec.containers[0].env"

func TestRecreate(t *testing.T) {
	tests := map[string]struct {
		edits []edit
		pod   *corev1.Pod
		why   string
	}{
		"a field that cannot be changed": {
			[]edit{withEnv}, old("a"), envField + " cannot be changed in place",
		},
		"a pod without the gate": {
			nil, old("a", withoutGate), "the pod was made without the readiness gate InPlaceUpdateReady",
		},
		"the policy":                           {[]edit{policyOf(appsv1beta1.ReCreatePodUpdatePolicy)}, old("a"), "podUpdatePolicy is ReCreate"},
		"a pod that is drained already":        {[]edit{withEnv}, drainedOld("a"), envField + " cannot be changed in place"},
		"a pod that serves nobody":             {[]edit{withEnv}, old("a", notReady()), envField + " cannot be changed in place"},
		"the policy, of labels only":           {[]edit{setBack, policyOf(appsv1beta1.ReCreatePodUpdatePolicy)}, old("a"), "podUpdatePolicy is ReCreate"},
		"a pod whose revision was deleted":     {nil, podAt("web-gone", "app:0", "a"), `its revision "web-gone" is gone, so that nobody knows what changed`},
		"a pod of no revision that is running": {nil, podAt("", "app:0", "a"), `its revision "" is gone, so that nobody knows what changed`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Compute(inputOf(cloneSet(1, tt.edits...), tt.pod))
			if count(p, Recreate) != 1 {
				t.Fatalf("got %v", deeds(p))
			}
			if got := p.Actions[0]; got.Verb != VerbDelete || got.Why != tt.why {
				t.Errorf("got %s, why %q; want why %q", got.Verb, got.Why, tt.why)
			}
		})
	}
}

func TestRecreateKeepsToBudgetAndSlots(t *testing.T) {
	expect(t, Compute(inputOf(cloneSet(3, withEnv), numbered(3, old)...)), "Recreate web-0000")
	expect(t, Compute(inputOf(cloneSet(3, withEnv, partitionOf(3)), numbered(3, old)...)))
	expect(t, Compute(inputOf(cloneSet(3, withEnv, paused), numbered(3, old)...)))
	expect(t, Compute(inputOf(cloneSet(2, withEnv), old("a", notReady()), updated("b", notReady()))))
	// A new pod that can be updated in place serves nobody yet and takes no slot; the budget knows of it.
	in := inputOf(cloneSet(3, withEnv, maxUnavailableOf(2)), old("a"), old("b"), podAt("web-env", "app:0", "c"))
	in.Revisions.Templates["web-env"] = in.Revisions.Update.Template.DeepCopy()
	in.Revisions.Templates["web-env"].Spec.Containers[0].Image = "app:0"
	expect(t, Compute(in), "Serve c", "Recreate a")
}

func TestRecreateIsReported(t *testing.T) {
	in := inputOf(cloneSet(2, withEnv), old("a"), old("b"))
	p := Compute(in)
	if p.Status.RecreateField != envField {
		t.Errorf("got recreateField %q, want %q", p.Status.RecreateField, envField)
	}
	want := []appsv1beta1.PodNote{
		{Name: "a", Reason: "Recreate", Message: envField + " cannot be changed in place"},
		{Name: "b", Reason: "Recreate", Message: envField + " cannot be changed in place"},
	}
	if diff := cmp.Diff(want, p.Status.PodNotes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestRecreateFieldIsKeptUntilTheNextRevision(t *testing.T) {
	in := inputOf(cloneSet(1), updated("a"))
	in.Set.Status.RecreateField, in.Set.Status.UpdateRevision = envField, revisionB
	if got := Compute(in).Status.RecreateField; got != envField {
		t.Errorf("got %q, want it kept", got)
	}
	newer(&in)
	if got := Compute(in).Status.RecreateField; got != "" {
		t.Errorf("got %q for another revision", got)
	}
}

// A template under ReCreate has no field that forced anything.
func TestPolicyReCreateHasNoField(t *testing.T) {
	p := Compute(inputOf(cloneSet(1, withEnv, policyOf(appsv1beta1.ReCreatePodUpdatePolicy)), old("a")))
	if p.Status.RecreateField != "" || len(p.Status.PodNotes) > 0 {
		t.Errorf("got %q and %v", p.Status.RecreateField, p.Status.PodNotes)
	}
}

func TestInPlaceOnlyReports(t *testing.T) {
	p := Compute(inputOf(cloneSet(2, withEnv, policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)), old("a"), updated("b")))
	expect(t, p)
	want := []appsv1beta1.PodNote{{Name: "a", Reason: "InPlaceImpossible", Message: envField + " cannot be changed in place"}}
	if diff := cmp.Diff(want, p.Status.PodNotes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	wantConditions(t, p, "Available=True/MinimumReplicasAvailable", "Progressing=False/InPlaceImpossible",
		"Reconciling=False/AsSpecified", "Stalled=True/InPlaceImpossible")
	contains(t, message(p, "Stalled"), envField)
	if p.Status.RecreateField != "" {
		t.Errorf("got recreateField %q where nothing is recreated", p.Status.RecreateField)
	}
}

func TestInPlaceOnlyUpdatesWhatItCan(t *testing.T) {
	expect(t, Compute(inputOf(cloneSet(1, policyOf(appsv1beta1.InPlaceOnlyPodUpdatePolicy)), old("a"))), "Drain a")
}
