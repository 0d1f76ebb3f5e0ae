package simulation

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// actions are what may happen to a CloneSet, its pods, its claims, its nodes and its manager.
func (r *run) actions() map[string]func(*rapid.T) {
	some := features()
	return map[string]func(*rapid.T){
		"change":       func(t *rapid.T) { r.edit(change(t)) },
		"change again": func(t *rapid.T) { r.edit(change(t)) },
		"feature": func(t *rapid.T) {
			f := rapid.SampledFrom(some).Draw(t, "feature")
			r.edit(f.name, f.draw(t))
		},
		"pod":       r.disturbPod,
		"label":     r.labelPod,
		"named":     r.namePod,
		"node":      r.disturbNode,
		"rehearsal": r.disturbRehearsal,
		"revision":  r.loseRevision,
		"claim":     r.loseClaim,
		"tag":       r.moveTag,
		"budget":    r.budgets.ask,
		"eviction":  r.evict,
		"manager":   func(t *rapid.T) { r.manager.diesAfter = rapid.IntRange(0, 4).Draw(t, "writes until it dies") },
		"leader":    func(*rapid.T) { r.late.pending = true },
		"": func(t *rapid.T) {
			r.settle(time.Duration(rapid.IntRange(10, 12000).Draw(t, "milliseconds"))*time.Millisecond, nil)
		},
	}
}

// pick draws a pod of the world, or nil.
func (r *run) pick(t *rapid.T) *corev1.Pod {
	pods := slices.DeleteFunc(r.world.Pods(), func(pod *corev1.Pod) bool { return inplace.IsRehearsal(pod) })
	if len(pods) == 0 {
		return nil
	}
	return pods[rapid.IntRange(0, len(pods)-1).Draw(t, "pod")]
}

// disturbPod does to one pod what users and kubelets do.
func (r *run) disturbPod(t *rapid.T) {
	pod := r.pick(t)
	if pod == nil {
		return
	}
	switch rapid.SampledFrom([]string{"delete", "evict", "image", "state", "force", "resize"}).Draw(t, "what") {
	case "resize":
		r.resizePod(pod)
	case "delete":
		r.note("somebody deletes %s", pod.Name)
		_, _ = r.world.Delete(pod.Name, metav1.DeleteOptions{})
	case "force":
		r.note("somebody deletes %s by force", pod.Name)
		_, _ = r.world.Delete(pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
	case "evict":
		r.note("the kubelet evicts %s", pod.Name)
		r.world.EvictPod(pod.Name)
	case "image":
		r.editPod(pod, "sets the image to app:b", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "app:b" })
	case "state":
		text := rapid.SampledFrom([]string{
			"", "{", `{"version":1,"revision":"web-r9","generation":2,"pending":["app","no"]}`,
		}).Draw(t, "state")
		r.begun[pod.UID] = strings.Contains(text, "pending") // So it says, and is believed.
		r.garbled[pod.UID] = true
		r.editPod(pod, "sets the state to "+text, func(p *corev1.Pod) {
			p.Annotations = maps.Clone(p.Annotations)
			if p.Annotations == nil {
				p.Annotations = map[string]string{}
			}
			p.Annotations[appsv1beta1.InPlaceStateAnnotation] = text
		})
	}
}

// disturbRehearsal does to a pod that pulls images what users and kubelets do.
func (r *run) disturbRehearsal(t *rapid.T) {
	pods := r.rehearsals()
	if len(pods) == 0 {
		return
	}
	pod := pods[rapid.IntRange(0, len(pods)-1).Draw(t, "rehearsal")]
	if rapid.Bool().Draw(t, "evicted") {
		r.note("the kubelet evicts %s", pod.Name)
		r.world.EvictPod(pod.Name)
		return
	}
	r.note("somebody deletes %s", pod.Name)
	_, _ = r.world.Delete(pod.Name, metav1.DeleteOptions{})
}

// rehearsals returns the pods that pull images.
func (r *run) rehearsals() []*corev1.Pod {
	return slices.DeleteFunc(r.world.Pods(), func(pod *corev1.Pod) bool { return !inplace.IsRehearsal(pod) })
}

// editPod changes a pod by hand: what it is to run is anybody's guess from then on.
func (r *run) editPod(pod *corev1.Pod, what string, edit func(*corev1.Pod)) {
	r.note("somebody %s of %s", what, pod.Name)
	r.edited[pod.UID] = true
	_, _ = r.world.EditPod(pod.Name, edit)
}

// labelPod changes a label that decides something.
func (r *run) labelPod(t *rapid.T) {
	pod := r.pick(t)
	if pod == nil {
		return
	}
	key := rapid.SampledFrom([]string{
		appsv1beta1.SpecifiedDeleteLabel, appsv1beta1.ManagedLabel, "app", "rank", appsv1beta1.LifecycleStateLabel,
	}).Draw(t, "key")
	value := ""
	switch key {
	case "rank":
		value = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "rank")
	case appsv1beta1.LifecycleStateLabel:
		value = rapid.SampledFrom([]string{"Updated", "PreparingDelete", "odd"}).Draw(t, "state")
	}
	r.note("somebody sets the label %s of %s to %q", key, pod.Name, value)
	_, _ = r.world.EditPod(pod.Name, func(p *corev1.Pod) {
		p.Labels = maps.Clone(p.Labels)
		p.Labels[key] = value
		if key == appsv1beta1.ManagedLabel {
			delete(p.Labels, key)
		}
	})
}

// namePod names pods to be deleted, or none.
func (r *run) namePod(t *rapid.T) {
	var names []string
	if pod := r.pick(t); pod != nil && rapid.IntRange(0, 3).Draw(t, "named") > 0 {
		names = []string{pod.Name}
	}
	r.edit("podsToDelete", func(s *spec) { s.ScaleStrategy.PodsToDelete = names })
}

// disturbNode loses a node, or has one come back.
func (r *run) disturbNode(t *rapid.T) {
	node := r.world.Nodes()[rapid.IntRange(0, nodes-1).Draw(t, "node")]
	if node.Status.Conditions[0].Status == corev1.ConditionTrue {
		r.note("%s is lost", node.Name)
		r.world.LoseNode(node.Name)
		for _, pod := range r.world.Pods() {
			r.shaken[pod.UID] = true
		}
		return
	}
	r.note("%s is back", node.Name)
	r.world.RestoreNode(node.Name)
}

// loseRevision has somebody delete a revision by hand.
func (r *run) loseRevision(t *rapid.T) {
	kept := r.history.kept
	if len(kept) == 0 {
		return
	}
	name := kept[rapid.IntRange(0, len(kept)-1).Draw(t, "revision")].Name
	r.note("somebody deletes revision %s", name)
	r.history.remove(name)
	r.forgetChoices(name)
	r.wake(0)
}

// loseClaim has somebody delete a claim by hand.
func (r *run) loseClaim(t *rapid.T) {
	names := slices.Sorted(maps.Keys(r.claims.byName))
	if len(names) == 0 {
		return
	}
	name := rapid.SampledFrom(names).Draw(t, "claim")
	_ = r.claims.remove(name, "", r.world.Pods(), r.world.Now(), "somebody")
	r.wake(coalescing)
}
