package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

const (
	// rehearsalRetry is after how long a rehearsal that failed is made again. A kubelet tries again by itself, at first
	// quickly and in the end every five minutes; a new pod has it start over.
	rehearsalRetry = time.Minute
	// takeUpLimit is for how long a node may leave a pod alone before it counts as lost.
	takeUpLimit = time.Minute
	// askedFor is for how long it is believed, where a kubelet asks the registry at every start, that it will get an answer.
	askedFor = 2 * time.Minute
	// maxNodes is how many nodes a message names.
	maxNodes = 3
)

// Reasons for which a rehearsal is given up, beside the kubelet's own.
const (
	reasonTimeout    = "RehearsalTimeout"
	reasonNotStarted = "NotStarted"
	reasonRefused    = "Refused"
)

// assess finds out why a rehearsal is not done yet, if there is more to it than that it has to be waited for.
func (p *planner) assess(r *rehearsal) {
	r.failure = r.outcome.Failure
	if r.proves || r.failure != nil {
		return
	}
	timeout, takeUp := p.ageLeft(r, p.rehearsalTimeout()), p.ageLeft(r, takeUpLimit)
	switch {
	case r.outcome.Began.IsZero() && takeUp <= 0:
		r.failure = &inplace.Failure{
			Reason: reasonNotStarted, Impossible: true,
			Message: fmt.Sprintf("the node has not taken up pod %s for %s", r.pod.Name, takeUpLimit),
		}
	case timeout <= 0:
		r.failure = &inplace.Failure{Reason: reasonTimeout, Message: fmt.Sprintf("the pull has not ended for %s", p.rehearsalTimeout())}
	case r.outcome.Before != nil && r.outcome.Before.Impossible && !r.outcome.Began.IsZero(): // It is possible now.
	default:
		r.failure = r.outcome.Before
	}
}

func (p *planner) rehearsalTimeout() time.Duration {
	seconds := int32(appsv1beta1.DefaultRehearsalTimeoutSeconds)
	for _, set := range []*int32{p.inPlace().ImagePreDownloadTimeoutSeconds, p.inPlace().Rehearsal.TimeoutSeconds} {
		if set != nil {
			seconds = *set
		}
	}
	return time.Duration(seconds) * time.Second
}

func (p *planner) rehearsalParallelism() int {
	nodes := int32(appsv1beta1.DefaultRehearsalParallelism)
	for _, set := range []*int32{p.inPlace().ImagePreDownloadParallelism, p.inPlace().Rehearsal.Parallelism} {
		if set != nil {
			nodes = *set
		}
	}
	return int(nodes)
}

// isOutOfDate tells whether a rehearsal was done too long ago to tell whether the registry answers.
func (p *planner) isOutOfDate(r *rehearsal) bool {
	return p.ageLeft(r, askedFor+r.outcome.Took) <= 0
}

// rehearse begins the rehearsals that are wanted, and ends those that are not needed any more or have to be made again.
func (p *planner) rehearse() {
	p.relyOn()
	names := map[string]bool{}
	p.images.open = p.rehearsalParallelism()
	for _, r := range p.images.rehearsals {
		names[r.pod.Name] = true
		if r.needed && (!r.proves || r.spent) && !p.yields(r) {
			p.images.open--
		}
	}
	first := min(max(p.images.open, 0), len(p.images.order))
	for _, node := range p.images.order[:first] {
		p.begin(node, p.images.wanted[node], p.images.chosen[node], 0, nil, names)
	}
	p.images.open -= first
	for _, r := range p.images.rehearsals {
		p.tend(r, names)
	}
}

// yields tells whether a rehearsal leaves its place to another node: it has been impossible for as long as such a one is left
// alone, and pulls nothing. It is made again when there is a place, so that many nodes that are full cost no more than a few.
func (p *planner) yields(r *rehearsal) bool {
	return r.failure != nil && r.failure.Impossible && p.ageLeft(r, rehearsalRetry) <= 0
}

// relyOn keeps the rehearsals of nodes where pods are restarting: what they tell of digests has the restart known sooner.
func (p *planner) relyOn() {
	if len(p.images.rehearsals) == 0 {
		return
	}
	for _, m := range p.view.updated {
		if m.progress.Phase != inplace.PhaseRestarting {
			continue
		}
		for _, r := range p.images.byNode[m.pod.Spec.NodeName] {
			r.needed = r.needed || r.proves
		}
	}
}

// tend ends a rehearsal that is not needed, and makes one again that failed some time ago.
func (p *planner) tend(r *rehearsal, names map[string]bool) {
	if r.pod.DeletionTimestamp != nil {
		return
	}
	if !r.needed {
		p.end(r, "it is not needed any more")
		return
	}
	if again, left := p.again(r); !again {
		p.view.later(left)
		return
	}
	if p.yields(r) {
		if p.images.open <= 0 {
			return // An event tells when a node has pulled, and time when another one is impossible, too.
		}
		p.images.open--
	}
	before := r.failure
	if r.spent {
		before = nil
	}
	p.end(r, "another one follows")
	p.begin(r.pod.Spec.NodeName, containerNames(r.pod), r.outcome.Asked, r.outcome.Attempt+1, before, names)
}

// again tells whether a rehearsal is to be made again, or when time alone may say so.
func (p *planner) again(r *rehearsal) (now bool, left time.Duration) {
	switch {
	case r.spent:
		return true, 0
	case r.proves:
		return false, 0
	case r.outcome.Failure != nil:
		left = p.ageLeft(r, rehearsalRetry)
	case r.outcome.Began.IsZero() && p.ageLeft(r, takeUpLimit) > 0:
		return false, p.ageLeft(r, takeUpLimit)
	default:
		left = p.ageLeft(r, p.rehearsalTimeout())
	}
	return left <= 0, left
}

func containerNames(pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.Containers {
		names = append(names, pod.Spec.Containers[i].Name)
	}
	return names
}

func (p *planner) end(r *rehearsal, why string) {
	p.do(Action{Kind: EndRehearsal, Verb: VerbDelete, Pod: r.pod, Why: why})
}

func (p *planner) begin(
	node string, containers []string, images map[string]string, attempt int, before *inplace.Failure, names map[string]bool,
) {
	r := inplace.Rehearsal{
		Namespace: p.in.Set.Namespace, Prefix: p.in.Set.Name,
		Owner: *metav1.NewControllerRef(p.in.Set, appsv1beta1.CloneSetKind),
		Node:  node, Revision: p.in.Revisions.Update.Name, Template: p.in.Revisions.Update.Template,
		Containers: slices.Sorted(slices.Values(containers)), Images: images, Always: p.images.always[node],
		Attempt: attempt, Before: before,
	}
	pod := r.Pod()
	if names[pod.Name] || len(pod.Spec.Containers) == 0 {
		return // The one before has not gone yet. An event tells when it has.
	}
	why := "images of revision " + r.Revision + " are pulled before pods are updated"
	p.do(Action{Kind: Rehearse, Verb: VerbCreate, Pod: pod, Why: why})
}

// wait is why the pods of a node are not updated now.
type wait struct {
	node   string
	images []string
	// failure is why, if it is more than that a pull takes its time.
	failure *inplace.Failure
	// since is when the pull was begun. It is zero if it was not.
	since time.Time
}

// lacks adds an image that is waited for. Several containers may ask for it, or one for two reasons.
func (w *wait) lacks(image string) {
	if !slices.Contains(w.images, image) {
		w.images = append(w.images, image)
	}
}

func (w *wait) add(image string, r *rehearsal) {
	w.lacks(image)
	if w.failure == nil {
		w.failure = r.failure
	}
	if since := r.outcome.Began; w.since.IsZero() || since.Before(w.since) {
		w.since = since
	}
}

// awaits takes note that a pod waits for images.
func (p *planner) awaits(m *member, w *wait) {
	if p.images.held == nil {
		p.images.held = m
	}
	if w.failure == nil && p.images.ahead < 0 {
		return // It is not its turn, and nobody needs to know.
	}
	if p.images.waits[w.node] == nil {
		p.images.waits[w.node] = w
	}
	p.images.waiting = append(p.images.waiting, m.pod.UID)
	p.note(m.pod, appsv1beta1.NoteAwaitingImage, w.String())
}

// String tells people what is waited for.
func (w *wait) String() string {
	images := strings.Join(w.images, ", ")
	switch {
	case w.failure == nil && w.since.IsZero():
		return fmt.Sprintf("node %s is to pull %s", w.node, images)
	case w.failure == nil:
		return fmt.Sprintf("node %s has been pulling %s since %s", w.node, images, w.since.UTC().Format(time.RFC3339))
	case w.failure.Impossible:
		return fmt.Sprintf("it cannot be found out whether node %s can have %s: %s: %s",
			w.node, images, w.failure.Reason, w.failure.Message)
	case w.failure.Image != "":
		images = w.failure.Image
	}
	return fmt.Sprintf("node %s cannot have %s: %s: %s", w.node, images, w.failure.Reason, w.failure.Message)
}

// waitingForImages tells which nodes pods wait for and why, those first where it is not just a matter of time. As long as it
// is, and other pods are being updated, that is what there is to say first: the nodes are pulling ahead.
func (p *planner) waitingForImages() (reason, text string) {
	var texts []string
	for _, kind := range []struct {
		reason string
		is     func(*inplace.Failure) bool
	}{
		{appsv1beta1.ReasonRehearsalFailed, func(f *inplace.Failure) bool { return f != nil && !f.Impossible }},
		{appsv1beta1.ReasonRehearsalImpossible, func(f *inplace.Failure) bool { return f != nil && f.Impossible }},
		{appsv1beta1.ReasonRehearsing, func(f *inplace.Failure) bool { return f == nil }},
	} {
		var some []string
		for _, w := range p.images.waits {
			if kind.is(w.failure) {
				some = append(some, w.String())
			}
		}
		if len(some) > 0 && reason == "" {
			reason = kind.reason
		}
		slices.Sort(some)
		texts = append(texts, some...)
	}
	text = strings.Join(texts[:min(len(texts), maxNodes)], "; ")
	if more := len(texts) - maxNodes; more > 0 {
		text += fmt.Sprintf("; and %d nodes more", more)
	}
	if reason == appsv1beta1.ReasonRehearsing && p.someAreUpdated() {
		reason = appsv1beta1.ReasonUpdating
	}
	return reason, text
}

// someAreUpdated tells whether pods are on their way to the update revision.
func (p *planner) someAreUpdated() bool {
	for m := range p.all() {
		if m.begun() || !m.old && !m.available {
			return true
		}
	}
	return false
}
