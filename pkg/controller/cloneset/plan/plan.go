package plan

import (
	"cmp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// planner is the state of one Compute.
type planner struct {
	in     *Input
	limits limits
	// rules are what is said of single containers.
	rules    inplace.Rules
	view     *view
	claims   *claims
	selector labels.Selector
	// disruptions are what PodDisruptionBudgets have a say in.
	disruptions *disruptions

	// failures are those pods that have failed at the update revision, and what the failure policy makes of it.
	failures failures

	// keep is how many pods stay at old revisions.
	keep int
	// budget is how many available pods may still be taken out of service in this pass.
	budget int
	// slots is how many pods may still be brought to the update revision by a restart.
	slots int

	// down are the pods that are out of service, or are taken out of it by this pass.
	down map[types.UID]bool

	// counts are the numbers of pods, less those that leave.
	counts counts

	// leaving are the pods that are deleted, or wait for it. Until they are gone the status counts them.
	leaving []*member
	changes map[string]*inplace.Change
	// fromStable is what brings pods from the stable revision to the update revision, once it was asked for.
	fromStable *inplace.Change
	// images is what is known of images on nodes.
	images images
	// pins are the digests that images have for all pods.
	pins    pins
	actions []Action
	notes   []appsv1beta1.PodNote
	// recreateField is the field because of which pods are replaced.
	recreateField string
	// blocked is why pods stay as they are.
	blocked string
}

// Compute decides what is to be done for a CloneSet. See the package's documentation for the rules.
func Compute(in Input) Plan {
	if in.Set.DeletionTimestamp != nil {
		return Plan{Status: in.Set.Status}
	}
	if errs := Validate(in.Set); len(errs) > 0 {
		return Plan{Status: invalidStatus(&in, errs.ToAggregate().Error())}
	}
	p := newPlanner(&in)
	p.adopt()
	p.adoptOrphans()
	p.announceDeletions()
	p.scale()
	p.serve()
	p.update()
	p.noteResizes()
	p.settlePlaces()
	p.rehearse()
	p.recordPins()
	p.tendClaims()
	p.giveUp()
	p.trim()
	status := p.status()
	byKindAndName(p.actions)
	return Plan{Actions: p.actions, Waiting: p.images.waiting, Status: status, Wake: p.view.wake}
}

func newPlanner(in *Input) *planner {
	l := limitsOf(in.Set)
	in.Revisions.Current = stable(in)
	selector, err := metav1.LabelSelectorAsSelector(in.Set.Spec.Selector)
	if err != nil {
		selector = labels.Nothing() // Validate has refused it.
	}
	f := lookAtGivenUp(in)
	v := look(in, l, selector, &f)
	p := &planner{
		in: in, failures: f, limits: l, rules: rulesOf(in.Set), view: v, selector: selector, claims: lookAtClaims(in),
		disruptions: lookAtBudgets(in, v),
		keep:        keepOf(l, in.Revisions.Update.Name, in.Revisions.Current.Name),
		budget:      v.available - (l.replicas - l.maxUnavailable),
		changes:     map[string]*inplace.Change{}, down: v.down(),
	}
	p.judgePods()
	p.tellUnresizable()
	p.images = p.lookAtImages()
	p.pins = p.lookAtPins()
	p.tellSurge()
	p.counts = p.tally()
	p.slots = l.maxUnavailable + p.counts.surge - v.unavailableUpdated - v.resizing
	p.images.ahead = p.ahead()
	return p
}

func (p *planner) do(a Action) {
	p.actions = append(p.actions, a)
	if a.Pod != nil && (a.Kind == Drain || a.Verb == VerbDelete) {
		p.down[a.Pod.UID] = true
	}
}

// adopt gives pods that lost the label by which they are found that label back, and gives up those that do not match the
// selector.
func (p *planner) adopt() {
	for _, list := range [][]*member{p.view.old, p.view.updated} {
		for _, m := range list {
			if !isManaged(m.pod) {
				p.do(Action{
					Kind: Relabel, Verb: VerbPatch, Pod: m.pod, Patch: relabelPatch(m.pod), Why: "the label was taken off it",
				})
			}
		}
	}
	for _, pod := range p.view.strangers {
		if !p.mayGo(pod, true) {
			continue
		}
		p.do(Action{
			Kind: Release, Verb: VerbPatch, Pod: pod, Patch: releasePatch(pod, p.in.Set.UID),
			Why: "its labels do not match the selector " + p.selector.String(),
		})
	}
}

// isManaged tells whether a pod has the label by which it is found.
func isManaged(pod *corev1.Pod) bool {
	return pod.Labels[appsv1beta1.ManagedLabel] == appsv1beta1.ManagedLabelValue
}

// trim deletes the oldest revisions that no pod is at, beyond the limit of the history.
func (p *planner) trim() {
	live := p.liveRevisions()
	var idle []*appsv1.ControllerRevision
	for _, revision := range p.in.Revisions.History {
		if !live[revision.Name] && revision.DeletionTimestamp == nil && metav1.GetControllerOfNoCopy(revision) != nil {
			idle = append(idle, revision)
		}
	}
	slices.SortStableFunc(idle, func(a, b *appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	limit := 10
	if p.in.Set.Spec.RevisionHistoryLimit != nil {
		limit = int(*p.in.Set.Spec.RevisionHistoryLimit)
	}
	for _, revision := range idle[:max(len(idle)-limit, 0)] {
		p.do(Action{Kind: DeleteRevision, Verb: VerbDelete, Revision: revision, Why: "beyond spec.revisionHistoryLimit"})
	}
}

// note adds a note on a pod to the status.
func (p *planner) note(pod *corev1.Pod, reason, message string) {
	p.notes = append(p.notes, appsv1beta1.PodNote{Name: pod.Name, Reason: reason, Message: message})
}
