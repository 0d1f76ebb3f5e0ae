package inplace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const (
	// leastBackOff is what a container has waited for at the least that the kubelet started again after a back-off, and not
	// at once: the first back-off is ten seconds, and the times of a status are whole seconds.
	leastBackOff = 8 * time.Second
	// maxWords is how much of the last message of a container is told, in bytes.
	maxWords  = 256
	crashLoop = "CrashLoopBackOff"
	// NotReady is the reason of a Fault of a pod that is not ready in time, while its containers run or are waited for.
	NotReady = "NotReady"
)

// Fault is why a pod counts as failed at the revision that it is at.
type Fault struct {
	// Container is the one that does not run. It is empty where the pod is not ready for no such reason.
	Container string `json:"container,omitempty"`
	// Reason is one word: the kubelet's, or NotReady.
	Reason string `json:"reason"`
	// ExitCode is the one that the container ended with last, if it ran.
	ExitCode *int32 `json:"exitCode,omitempty"`
	// Message is what the container said last, or the kubelet.
	Message string `json:"message,omitempty"`
}

// String tells people of the fault.
func (f *Fault) String() string {
	var text strings.Builder
	if f.Container != "" {
		text.WriteString("container " + f.Container + ": ")
	}
	text.WriteString(f.Reason)
	if f.ExitCode != nil {
		fmt.Fprintf(&text, ", exit code %d", *f.ExitCode)
	}
	if f.Message != "" {
		text.WriteString(": " + f.Message)
	}
	return text.String()
}

// FaultOf returns why a pod counts as failed at its revision, or nil, and when time alone may change that. Only those
// containers are asked that the revision started: all of a pod that was made at it, and those that its update restarted.
// A container has failed when its image cannot be pulled, when it cannot be created or started, and when the kubelet backs
// off from starting it: it has ended by itself twice, with whatever exit code. One crash is forgiven; so it is no failure
// until the second. It has recovered when it is ready and has run for as long as the kubelet had it wait, ten seconds at
// least: a container without a probe looks ready between two crashes. A pod has failed, too, when its kubelet knows of it
// and it is not ready within the patience; zero means that there is no end to that.
func FaultOf(pod *corev1.Pod, seen *Sighting, patience time.Duration, now time.Time) (*Fault, time.Duration) {
	i := &inquest{pod: pod, seen: seen, now: now}
	if !i.isReported() {
		return nil, 0
	}
	ready := IsReady(pod)
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for at := range statuses {
			fault := i.crashes(&statuses[at])
			if fault == nil && !ready {
				fault = i.waits(&statuses[at])
			}
			if fault != nil {
				return fault, i.wait
			}
		}
	}
	if ready {
		return nil, 0
	}
	return i.late(patience)
}

// HasFailed tells whether something is wrong with a pod, whatever revision is to blame: it is not ready, though nobody has taken
// it out of service, or a container of it cannot be started, or ends again and again.
func HasFailed(pod *corev1.Pod, now time.Time) bool {
	gate := Condition(pod, appsv1beta1.InPlaceUpdateReady)
	if gate == nil {
		return false // It is new.
	}
	if !IsReady(pod) && (isOn(gate) || Trouble(pod, nil) != nil) {
		return true
	}
	i := &inquest{pod: pod, now: now, known: true}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		if slices.ContainsFunc(statuses, func(s corev1.ContainerStatus) bool { return i.crashes(&s) != nil }) {
			return true
		}
	}
	return false
}

// IsRestartedInPlace tells whether containers of a pod were restarted to bring it to the revision that it is at.
func IsRestartedInPlace(pod *corev1.Pod) bool {
	state := trusted(pod)
	return state != nil && state.Revision == pod.Labels[appsv1beta1.RevisionLabel] && len(state.Records) > 0
}

// inquest finds out what is wrong with a pod.
type inquest struct {
	pod   *corev1.Pod
	seen  *Sighting
	now   time.Time
	state *State
	known bool
	// wait is when time alone may bring another result.
	wait time.Duration
}

// isReported tells whether the status of the pod is one of its revision.
func (i *inquest) isReported() bool {
	if i.pod.Spec.NodeName == "" {
		return false
	}
	if IsReady(i.pod) {
		return true
	}
	state := i.readState()
	return state == nil || reached(i.pod, state)
}

// readState returns what is kept on the pod of its last update. It is read when it is first needed, which for most pods it is
// not.
func (i *inquest) readState() *State {
	if !i.known {
		i.known, i.state = true, i.seen.stateOf(i.pod)
	}
	return i.state
}

// concerns tells whether a container was started for the revision. Where the update restarted none, since labels changed and
// nothing else, none was.
func (i *inquest) concerns(name string) bool {
	state := i.readState()
	switch {
	case state == nil:
		return true
	case state.Revision != i.pod.Labels[appsv1beta1.RevisionLabel] || state.isBlameless():
		return false
	}
	return len(state.Records) == 0 || slices.ContainsFunc(state.Records, func(r Record) bool { return r.Name == name })
}

// ended returns the last end of a container that was started for the revision, or nil. One that the update stopped was not, whether
// or not it was ever seen, nor was one that ended before that: it is told of as long as the status shows the container that the
// update is to stop.
func (i *inquest) ended(status *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	ended := status.LastTerminationState.Terminated
	if ended == nil || !i.concerns(status.Name) {
		return nil
	}
	state := i.readState()
	if state == nil {
		return ended
	}
	if recorded(state.Records, ended.ContainerID) || recorded(state.Records, status.ContainerID) || state.precedes(status.Name, ended) {
		return nil
	}
	return ended
}

// crashes returns the fault of a container that ends again and again, also while it runs between two crashes.
func (i *inquest) crashes(status *corev1.ContainerStatus) *Fault {
	last, again := status.LastTerminationState.Terminated, status.State.Terminated
	switch {
	case last == nil || last.FinishedAt.IsZero():
		return nil
	case status.State.Running != nil:
		failed, left := recovers(status, i.now)
		if !failed || i.ended(status) == nil {
			return nil
		}
		i.wait = left
		return exit(status.Name, crashLoop, last)
	case again == nil || (again.ExitCode == 0 && status.Ready) || i.ended(status) == nil:
		return nil // The kubelet says why it waits, or it is an init container that has done its work.
	}
	return exit(status.Name, crashLoop, again) // It has just ended once more.
}

// recovers tells whether a container that runs was started after a back-off and has not recovered from that, and when it
// will have if it stays ready.
func recovers(status *corev1.ContainerStatus, now time.Time) (failed bool, left time.Duration) {
	started := status.State.Running.StartedAt.Time
	backOff, since := started.Sub(status.LastTerminationState.Terminated.FinishedAt.Time), now.Sub(started)
	if backOff < leastBackOff || since < -settleMargin {
		return false, 0 // It was started at once, or nobody knows when.
	}
	length := max(backOff, CrashMemory)
	left = min(max(length-since, 0), length)
	return left > 0 || !status.Ready, left
}

// exit returns the fault of a container that has ended.
func exit(name, reason string, ended *corev1.ContainerStateTerminated) *Fault {
	parts := slices.DeleteFunc([]string{ended.Reason, strings.TrimSpace(ended.Message)}, func(s string) bool { return s == "" })
	return &Fault{Container: name, Reason: reason, ExitCode: new(ended.ExitCode), Message: shortened(strings.Join(parts, ": "))}
}

// waits returns the fault of a container that the kubelet does not start.
func (i *inquest) waits(status *corev1.ContainerStatus) *Fault {
	problem := cmp.Or(containerTrouble(status, i.seen), sidecarTrouble(i.pod, status))
	if problem == nil || !i.concerns(status.Name) || (status.State.Terminated != nil && !i.isStopped(status)) {
		return nil
	}
	ended := i.ended(status)
	switch {
	case ended != nil && !isPullFailure(problem.Reason):
		return exit(status.Name, problem.Reason, ended)
	case !i.isNews(status, problem):
		return nil
	}
	message := strings.TrimPrefix(problem.Message, "container "+status.Name+": ")
	return &Fault{Container: status.Name, Reason: problem.Reason, Message: shortened(message)}
}

// isStopped tells whether the container that a status shows is one that the update has stopped, and of which the kubelet does not
// tell that it cannot be started again. A sidecar that has ended by itself, and for the first time, may be at once.
func (i *inquest) isStopped(status *corev1.ContainerStatus) bool {
	state := i.readState()
	return state != nil && status.State.Terminated.ExitCode == 0 && recorded(state.Records, status.ContainerID)
}

// isNews tells whether what is wrong with a container that never ran for the revision is about what it is to be now. The first status
// that knows of a patch may still be about the image before, and stays while the new one is pulled. So it is believed of a
// container that ran when it was patched, and of a failed pull that names the image. A container that was to be restarted for its
// resources, and did not run, is as it was.
func (i *inquest) isNews(status *corev1.ContainerStatus, problem *Problem) bool {
	state := i.readState()
	if state == nil {
		return true
	}
	records := state.recordsOf(status.Name)
	if len(records) == 0 {
		shown := func(r Record) bool { return r.Name == status.Name && r.ContainerID == status.ContainerID }
		at := slices.IndexFunc(state.Records, shown)
		return at < 0 || (status.State.Waiting != nil && problem.Reason != crashLoop && !state.Records[at].Down)
	}
	spec, _ := container(&i.pod.Spec, status.Name)
	if spec != nil && isPullFailure(problem.Reason) && strings.Contains(problem.Message, spec.Image+`"`) {
		return true
	}
	return len(records) == 1 && !records[0].Down
}

// late returns the fault of a pod that is not ready in time, and for how much longer it may be so.
func (i *inquest) late(patience time.Duration) (*Fault, time.Duration) {
	state := i.readState()
	if patience <= 0 || (state != nil && state.isBlameless()) {
		return nil, 0
	}
	since := downSince(i.pod, i.now)
	if state != nil && state.Since != nil && state.Since.After(since) && !state.Since.After(i.now) {
		since = state.Since.Time
	}
	if left := patience - i.now.Sub(since); left > 0 {
		return nil, min(left, patience)
	}
	return &Fault{Reason: NotReady, Message: fmt.Sprintf("not ready for %s", patience)}, 0
}

// WasLate returns the fault of a pod that waits to be deleted, if it is not ready in time, or else nil. Where it was drained for
// that, only the time before is asked.
func WasLate(pod *corev1.Pod, drained bool, patience time.Duration, now time.Time) *Fault {
	if gate := Condition(pod, appsv1beta1.InPlaceUpdateReady); drained && gate != nil {
		now = gate.LastTransitionTime.Add(-1)
		if ready := Condition(pod, corev1.PodReady); ready != nil && ready.LastTransitionTime.After(now) {
			return nil // It was ready until then.
		}
	}
	i := &inquest{pod: pod, now: now}
	if IsReady(pod) || !i.isReported() {
		return nil
	}
	fault, _ := i.late(patience)
	return fault
}

// downSince returns since when a pod that is not ready is on its way: since it was made, or was ready, or was taken out of service
// or brought back into it.
func downSince(pod *corev1.Pod, now time.Time) time.Time {
	since := pod.CreationTimestamp.Time
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, appsv1beta1.InPlaceUpdateReady} {
		c := Condition(pod, kind)
		if c != nil && c.LastTransitionTime.After(since) && !c.LastTransitionTime.After(now) { // A clock may be wrong.
			since = c.LastTransitionTime.Time
		}
	}
	return since
}

// shortened returns the beginning of a message.
func shortened(message string) string {
	if len(message) <= maxWords {
		return message
	}
	return strings.ToValidUTF8(message[:maxWords-3], "") + "..."
}
