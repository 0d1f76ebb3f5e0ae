package integration_test

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	// registered is the finalizer, and listed the label, by which whoever handles the hooks says that it knows a pod.
	registered = "example.com/registered"
	listed     = "example.com/listed"
)

const imageV3 = "registry.example/web:v3"

// updateHook waits for a label and a finalizer before an update.
func updateHook(set *appsv1beta1.CloneSet) {
	lifecycleOf(set).InPlaceUpdate = &appsv1beta1.LifecycleHook{
		LabelsHandler: map[string]string{listed: "yes"}, FinalizersHandler: []string{registered},
	}
}

// deleteHook waits for the finalizer before a deletion.
func deleteHook(set *appsv1beta1.CloneSet) {
	lifecycleOf(set).PreDelete = &appsv1beta1.LifecycleHook{FinalizersHandler: []string{registered}}
}

// normalHook waits for the finalizer before a new pod counts.
func normalHook(set *appsv1beta1.CloneSet) {
	lifecycleOf(set).PreNormal = &appsv1beta1.LifecycleHook{FinalizersHandler: []string{registered}}
}

// markNotReady takes pods out of service while they wait.
func markNotReady(set *appsv1beta1.CloneSet) {
	for _, hook := range []*appsv1beta1.LifecycleHook{set.Spec.Lifecycle.InPlaceUpdate, set.Spec.Lifecycle.PreDelete} {
		if hook != nil {
			hook.MarkPodNotReady = true
		}
	}
}

func noHooks(set *appsv1beta1.CloneSet) { set.Spec.Lifecycle = nil }

func lifecycleOf(set *appsv1beta1.CloneSet) *appsv1beta1.Lifecycle {
	if set.Spec.Lifecycle == nil {
		set.Spec.Lifecycle = &appsv1beta1.Lifecycle{}
	}
	return set.Spec.Lifecycle
}

// putOn puts all of the hooks on a pod, as whoever handles them does, and takeOff takes them off.
func (e *env) putOn(pod *corev1.Pod) {
	e.Helper()
	e.edit(e.view.Pod(pod.Name), func(pod *corev1.Pod) {
		pod.Labels[listed] = "yes"
		if !slices.Contains(pod.Finalizers, registered) {
			pod.Finalizers = append(pod.Finalizers, registered)
		}
	})
}

func (e *env) takeOff(pod *corev1.Pod) {
	e.Helper()
	e.takeLabelOff(pod)
	e.must(e.client.Patch(e.ctx, pod.DeepCopy(), client.RawPatch("application/strategic-merge-patch+json",
		[]byte(`{"metadata":{"$deleteFromPrimitiveList/finalizers":["`+registered+`"]}}`))))
}

func (e *env) takeLabelOff(pod *corev1.Pod) {
	e.Helper()
	e.edit(e.view.Pod(pod.Name), func(pod *corev1.Pod) { delete(pod.Labels, listed) })
}

// hookedSet makes a CloneSet whose pods have all of the hooks on them. At its end nothing waits for a finalizer.
func (e *env) hookedSet(replicas int32, hooks ...func(*appsv1beta1.CloneSet)) {
	e.Helper()
	e.Cleanup(e.freePods)
	e.created(replicas, hooks...)
	for _, pod := range e.view.Pods(app) {
		e.putOn(pod)
	}
}

// freePods takes the finalizers off all pods, so that the namespace can go.
func (e *env) freePods() {
	for _, pod := range e.view.Pods(app) {
		if len(pod.Finalizers) > 0 {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
			if err := e.client.Patch(context.WithoutCancel(e.ctx), pod.DeepCopy(), patch); client.IgnoreNotFound(err) != nil {
				e.Errorf("pod %s: %v", pod.Name, err)
			}
		}
	}
}

func inState(state appsv1beta1.LifecycleState) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool { return pod.Labels[appsv1beta1.LifecycleStateLabel] == string(state) }
}

// untilState waits for a pod to be in a state.
func (e *env) untilState(pod *corev1.Pod, state appsv1beta1.LifecycleState) {
	e.Helper()
	e.untilKnown(pod, "is not "+string(state), inState(state))
}

// untilNoted waits for the status to tell that a pod waits for a hook, and for so many pods to be available.
func (e *env) untilNoted(pod *corev1.Pod, available int32) {
	e.Helper()
	e.untilSet("it is not told that pod "+pod.Name+" waits for a hook", func(set *appsv1beta1.CloneSet) bool {
		return set.Status.AvailableReplicas == available && slices.ContainsFunc(set.Status.PodNotes, func(note appsv1beta1.PodNote) bool {
			return note.Name == pod.Name && note.Reason == appsv1beta1.NoteAwaitingHook
		})
	})
}

// A new pod serves, and counts once it is known.
func TestNewPodsWaitForTheirHook(t *testing.T) {
	e := newEnv(t)
	e.Cleanup(e.freePods)
	set := e.cloneSet(app, 2)
	normalHook(set)
	e.must(e.client.Create(e.ctx, set))
	e.untilSet("pods are not ready", func(set *appsv1beta1.CloneSet) bool { return set.Status.ReadyReplicas == 2 })
	pods := e.view.Pods(app)
	for available, pod := range pods {
		e.untilState(pod, appsv1beta1.LifecyclePreparingNormal)
		e.untilNoted(pod, int32(available))
		e.putOn(pod)
		e.untilState(pod, appsv1beta1.LifecycleNormal)
	}
	e.untilComplete(app)
	// An update is none of its business.
	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectCount(2, "run the new image", runs(imageV2))
}

// Pods are updated one at a time, each after all of its hook is off, and the next one after all of it is back.
func TestUpdateWaitsForItsHook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hooks []func(*appsv1beta1.CloneSet)
		off   bool
	}{
		"in service":     {[]func(*appsv1beta1.CloneSet){updateHook}, false},
		"out of service": {[]func(*appsv1beta1.CloneSet){updateHook, markNotReady}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.hookedSet(2, c.hooks...)
			before := e.identities()
			e.change(setImage(imageV2))
			for range 2 {
				pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
				e.untilKnown(pod, "is not as it is to be while it waits", func(pod *corev1.Pod) bool { return gateOff(pod) == c.off })
				e.untilNoted(pod, 1)
				e.takeLabelOff(pod)
				e.untilNoted(pod, 1)
				if e.count(isRestarting) > 0 {
					t.Error("a pod is updated that the finalizer is still on")
				}
				e.takeOff(pod)
				e.untilState(pod, appsv1beta1.LifecycleUpdated)
				e.untilNoted(pod, 1)
				if e.count(inState(appsv1beta1.LifecyclePreparingUpdate)) > 0 {
					t.Error("the next pod is announced before the first one is known again")
				}
				e.putOn(pod)
				e.untilState(pod, appsv1beta1.LifecycleNormal)
			}
			e.untilComplete(app)
			e.expectCount(2, "run the new image", runs(imageV2))
			e.expectIdentities(before)
			e.expectNoConflict()
		})
	}
}

// A pod that is to go is announced, and comes back if it is wanted again before the hook is off.
func TestDeletionWaitsForItsHook(t *testing.T) {
	t.Parallel()
	for name, hooks := range map[string][]func(*appsv1beta1.CloneSet){
		"in service": {deleteHook}, "out of service": {deleteHook, markNotReady},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.hookedSet(2, hooks...)
			before := e.identities()
			e.change(setReplicas(1))
			pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingDelete))
			e.untilKnown(pod, "is not as it is to be while it waits", func(pod *corev1.Pod) bool { return gateOff(pod) == (len(hooks) > 1) })
			e.change(setReplicas(2))
			e.untilState(pod, appsv1beta1.LifecycleNormal)
			e.untilComplete(app)
			e.expectIdentities(before)
			e.change(setReplicas(1))
			pod = e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingDelete))
			e.takeOff(pod)
			e.untilGone(pod)
			e.untilComplete(app)
			e.expectCreated(2)
		})
	}
}

// A recreation waits for the same hook.
func TestRecreationWaitsForTheDeleteHook(t *testing.T) {
	e := newEnv(t)
	e.hookedSet(1, deleteHook)
	e.change(setEnv("fast"))
	pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingDelete))
	e.untilNoted(pod, 0)
	e.takeOff(pod)
	e.untilGone(pod)
	e.untilComplete(app)
}

// What somebody else deletes is announced, and its finalizer is waited for; a successor does not wait.
func TestDeletedByHandWaitsForItsFinalizer(t *testing.T) {
	e := newEnv(t)
	e.hookedSet(1, deleteHook)
	pod := e.view.Pods(app)[0]
	e.must(e.client.Delete(e.ctx, pod))
	e.untilState(pod, appsv1beta1.LifecyclePreparingDelete)
	e.untilComplete(app)
	if known := e.view.Pod(pod.Name); known == nil || known.DeletionTimestamp == nil {
		t.Errorf("want the deleted pod to wait, got %+v", known)
	}
	e.takeOff(pod)
	e.untilGone(pod)
}

// The template is set back while a pod waits: nothing is restarted.
func TestRollsBackWhileThePodWaits(t *testing.T) {
	t.Parallel()
	for name, hooks := range map[string][]func(*appsv1beta1.CloneSet){
		"in service": {updateHook}, "out of service": {updateHook, markNotReady},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.hookedSet(2, hooks...)
			before := e.identities()
			e.change(setImage(imageV2))
			pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
			e.change(setImage(imageV1))
			e.untilState(pod, appsv1beta1.LifecycleNormal)
			e.untilComplete(app)
			e.expectIdentities(before)
			e.expectCount(2, "run the old image", runs(imageV1))
		})
	}
}

// The template is set back when the hook is off: the pod is brought back into service and waits for its hook.
func TestRollsBackAfterTheHookIsOff(t *testing.T) {
	e := newEnv(t)
	e.hookedSet(2, updateHook, setGrace(forEver))
	e.change(setImage(imageV2))
	pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
	e.takeOff(pod)
	e.untilKnown(pod, "is not drained", isDraining)
	e.change(setImage(imageV1))
	e.untilState(pod, appsv1beta1.LifecycleUpdated)
	e.untilKnown(pod, "is not back in service", framework.InServiceByGate)
	e.untilNoted(pod, 1)
	e.putOn(pod)
	e.untilState(pod, appsv1beta1.LifecycleNormal)
	e.untilComplete(app)
	e.expectCount(2, "run the old image", runs(imageV1))
}

// A newer template while a pod waits to be known again: whoever handles the hook is asked again, even if it never noticed.
func TestTemplateChangesWhileThePodIsUnknown(t *testing.T) {
	e := newEnv(t)
	e.hookedSet(1, updateHook)
	before := e.identities()
	e.change(setImage(imageV2))
	pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
	e.takeOff(pod)
	e.untilState(pod, appsv1beta1.LifecycleUpdated)
	e.change(setImage(imageV3))
	e.untilKnown(pod, "is not asked for again", func(pod *corev1.Pod) bool {
		return inState(appsv1beta1.LifecyclePreparingUpdate)(pod) && pod.Labels[listed] == "yes" && slices.Contains(pod.Finalizers, registered)
	})
	e.takeOff(pod)
	e.untilState(pod, appsv1beta1.LifecycleUpdated)
	e.putOn(pod)
	e.untilComplete(app)
	e.expectCount(1, "run the newest image", runs(imageV3))
	e.expectIdentities(before)
}

// Hooks that are taken out of the spec are not waited for, in whatever state a pod is, and leave no state behind.
func TestHooksTakenOutOfTheSpec(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(*env) *corev1.Pod{
		"while a pod waits to be updated": func(e *env) *corev1.Pod {
			e.change(setImage(imageV2))
			return e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
		},
		"while a pod waits to be known again": func(e *env) *corev1.Pod {
			e.change(setImage(imageV2))
			pod := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
			e.takeOff(pod)
			e.untilState(pod, appsv1beta1.LifecycleUpdated)
			return pod
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.hookedSet(2, updateHook, deleteHook)
			before := e.identities()
			pod := reach(e)
			e.change(noHooks)
			e.untilComplete(app)
			e.untilState(pod, appsv1beta1.LifecycleNormal)
			e.expectCount(2, "run the new image", runs(imageV2))
			e.expectIdentities(before)
		})
	}
}

// Hooks that are put into the spec in the middle of an update hold for the pods that have them on, and for new ones.
func TestHooksPutIntoTheSpec(t *testing.T) {
	e := newEnv(t)
	e.Cleanup(e.freePods)
	e.created(2, setGrace(forEver))
	e.change(setImage(imageV2))
	first := e.untilPod("is drained", isDraining)
	for _, pod := range e.view.Pods(app) {
		if pod.Name != first.Name {
			e.putOn(pod)
		}
	}
	e.change(updateHook, normalHook, setGrace(0))
	e.untilKnown(first, "is not updated", runs(imageV2))
	second := e.untilPod("is announced", inState(appsv1beta1.LifecyclePreparingUpdate))
	e.takeOff(second)
	e.untilState(second, appsv1beta1.LifecycleUpdated)
	e.putOn(second)
	e.untilComplete(app)
	e.change(setReplicas(3))
	third := e.untilPod("is new", inState(appsv1beta1.LifecyclePreparingNormal))
	e.untilNoted(third, 2)
	e.putOn(third)
	e.untilComplete(app)
}
