package plan

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// adoptOrphans takes over the pods and the revisions that nobody owns, and makes the revisions again that are needed and
// that somebody has deleted.
func (p *planner) adoptOrphans() {
	for _, pod := range p.in.Orphans {
		p.do(Action{
			Kind: Adopt, Verb: VerbPatch, Pod: pod, Patch: adoptPatch(pod, p.in.Set),
			Why: "nobody owns it, and it matches the selector " + p.selector.String(),
		})
	}
	for _, revision := range p.in.Revisions.History {
		if metav1.GetControllerOfNoCopy(revision) == nil {
			p.do(Action{
				Kind: AdoptRevision, Verb: VerbPatch, Revision: revision, Patch: adoptPatch(revision, p.in.Set),
				Why: "nobody owns it",
			})
		}
	}
	live := p.liveRevisions()
	for _, revision := range p.in.Revisions.Lost {
		if live[revision.Name] {
			p.do(Action{
				Kind: RestoreRevision, Verb: VerbCreate, Revision: revision, Why: "somebody has deleted it, and it is needed",
			})
		}
	}
}

// liveRevisions returns the names of the revisions that are needed: the update one, the stable one and those of pods, or of those
// containers of pods that are still to be patched.
func (p *planner) liveRevisions() map[string]bool {
	live, last := map[string]bool{p.failures.asked.Name: true, p.in.Revisions.Current.Name: true}, ""
	for _, pods := range [][]*corev1.Pod{p.in.Pods, p.in.Orphans} {
		for _, pod := range pods {
			if name := pod.Labels[appsv1beta1.RevisionLabel]; name != last { // Most are at the same.
				live[name], last = true, name
			}
			for _, name := range inplace.PendingFrom(pod) {
				live[name] = true
			}
		}
	}
	return live
}

// dropGivenUp leaves out the revisions that were given up, unless there is no other one.
func dropGivenUp(pods map[string]int, in *Input) {
	good := maps.Clone(pods)
	for _, revision := range in.Revisions.History {
		if revision.Annotations[appsv1beta1.FailureAnnotation] != "" {
			delete(good, revision.Name)
		}
	}
	if len(good) > 0 {
		maps.DeleteFunc(pods, func(name string, _ int) bool { _, ok := good[name]; return !ok })
	}
}

// stable returns the stable revision. A CloneSet whose status names none, since it was made again over the pods of its
// predecessor, has it from them: it is the one that most of those are at that are not at the update revision.
func stable(in *Input) Revision {
	best := in.Revisions.Current
	if in.Set.Status.CurrentRevision != "" || best.Name != in.Revisions.Update.Name {
		return best
	}
	pods := map[string]int{}
	for _, pod := range slices.Concat(in.Pods, in.Orphans) {
		name := pod.Labels[appsv1beta1.RevisionLabel]
		if name != in.Revisions.Update.Name && in.Revisions.Templates[name] != nil {
			pods[name]++
		}
	}
	dropGivenUp(pods, in)
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		if pods[name] > pods[best.Name] {
			best = Revision{Name: name, Template: in.Revisions.Templates[name]}
		}
	}
	return best
}
