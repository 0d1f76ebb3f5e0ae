package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// made returns the names of the pods that a plan makes, in their order.
func made(p Plan) []string {
	names := []string{}
	for i := range p.Actions {
		if p.Actions[i].Kind == CreatePod {
			names = append(names, p.Actions[i].Name())
		}
	}
	slices.Sort(names)
	return names
}

func TestClaimsOfAPodThatIsGoneGoToItsSuccessor(t *testing.T) {
	fresh := made(Compute(atNewest(cloneSet(2, withTemplates("data"), reusing))))
	tests := map[string]struct {
		replicas int
		claims   []*corev1.PersistentVolumeClaim
		pods     []*corev1.Pod
		edits    []edit
		want     []string
		also     []string
	}{
		"there is one": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)},
			want: []string{"web-old"},
		},
		"there are more than are needed": {
			replicas: 1, want: []string{"web-a"},
			claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-b", theSet), claimOf("data-web-a", theSet)},
		},
		"others are new": {
			replicas: 2, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)},
			want: []string{fresh[0], "web-old"},
		},
		"the pod has not ended yet": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)},
			pods: []*corev1.Pod{updated("web-old", uses("data"), terminating)}, want: []string{},
		},
		"one is there and the other not yet": {
			replicas: 2, want: []string{"web-a"},
			claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-b", theSet), claimOf("data-web-a", theSet)},
			pods:   []*corev1.Pod{updated("web-b", uses("data"), terminating)},
		},
		"the pod that has not ended takes them along": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", "uid-web-old")},
			pods: []*corev1.Pod{updated("web-old", uses("data"), terminating)}, want: fresh[:1],
		},
		"the pod was evicted": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)},
			pods: []*corev1.Pod{updated("web-old", uses("data"), ended)}, want: []string{}, also: []string{"CleanUp web-old"},
		},
		"the pod was evicted before reuse was turned on": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", "uid-web-old")},
			pods: []*corev1.Pod{updated("web-old", uses("data"), ended)}, want: []string{},
			also: []string{"AssignClaim data-web-old"},
		},
		"it terminates": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{dying(claimOf("data-web-"+fresh[0][4:], theSet))},
			want: fresh[1:],
		},
		"one of the pod's claims terminates": {
			replicas: 1, want: fresh[:1],
			claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet), dying(claimOf("logs-web-old", theSet))},
		},
		"it goes with a pod that is gone": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-"+fresh[0][4:], "uid-of-the-pod")},
			want: fresh[1:],
		},
		"it is of no template any more": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("more-web-old", theSet)}, want: fresh[:1],
		},
		"the user wants the pod gone": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)}, want: fresh[:1],
			edits: []edit{podsToDelete("web-old")}, also: []string{"DeleteClaim data-web-old"},
		},
		"reuse was turned off": {
			replicas: 1, claims: []*corev1.PersistentVolumeClaim{claimOf("data-web-old", theSet)}, want: fresh[:1],
			edits: []edit{func(set *appsv1beta1.CloneSet) { set.Spec.ScaleStrategy.EnablePVCReuse = false }},
			also:  []string{"DeleteClaim data-web-old"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(tt.replicas, append([]edit{withTemplates("data", "logs"), reusing}, tt.edits...)...)
			p := Compute(atNewest(set, tt.pods...).having(tt.claims...))
			if diff := cmp.Diff(tt.want, made(p)); diff != "" {
				t.Errorf("pods that are made (-want +got):\n%s", diff)
			}
			others := slices.DeleteFunc(deeds(p), func(text string) bool { return text == "CreatePod at "+revisionB })
			if diff := cmp.Diff(append([]string{}, tt.also...), others); diff != "" {
				t.Errorf("other actions (-want +got):\n%s", diff)
			}
		})
	}
}

// A name that belongs to a pod of somebody else's cannot be had, whatever claims wait for it.
func TestClaimsWhoseNameIsTakenWait(t *testing.T) {
	in := atNewest(cloneSet(1, withTemplates("data"), reusing)).having(claimOf("data-web-old", theSet))
	in.Taken = map[string]bool{"web-old": true}
	if got := made(Compute(in)); len(got) != 1 || got[0] == "web-old" {
		t.Errorf("made %v", got)
	}
}

// Surge pods are deleted in the end, with their claims: none of them gets claims that are kept.
func TestSurgePodGetsNoKeptClaims(t *testing.T) {
	p := planner{in: new(atNewest(cloneSet(1, withTemplates("data"), reusing)).having(claimOf("data-web-old", theSet)))}
	p.claims = lookAtClaims(p.in)
	if got := p.names(0, 1); len(got) != 1 || got[0] == "web-old" {
		t.Errorf("a surge pod gets %v", got)
	}
	if got := p.names(1, 1); len(got) != 2 || got[0] != "web-old" {
		t.Errorf("a pod and a surge pod get %v", got)
	}
}

func TestNewPodHasItsClaimsAsVolumes(t *testing.T) {
	set := cloneSet(1, withTemplates("data"))
	template := templateOf("app:a")
	template.Spec.Volumes = []corev1.Volume{{Name: "data"}, {Name: "tmp"}}
	pod := NewPod(set, Revision{Name: revisionA, Template: template}, "web-x")
	want := updated("web-x", uses("data")).Spec.Volumes
	if diff := cmp.Diff(append([]corev1.Volume{{Name: "tmp"}}, want...), pod.Spec.Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	if len(template.Spec.Volumes) != 2 || template.Spec.Volumes[0].PersistentVolumeClaim != nil {
		t.Error("the revision was changed")
	}
}
