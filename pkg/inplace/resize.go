package inplace

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resize is one amount of cpu or memory, a request or a limit, that a container is to have without a new pod. The record of
// it is kept in the State until the kubelet reports the amount.
type Resize struct {
	// Container is the container's name.
	Container string `json:"name"`
	// Amount says which one it is: requests.cpu, limits.cpu, requests.memory or limits.memory.
	Amount string `json:"amount"`
	// From is what the pod asked for before, empty for nothing. Only records have it. An amount that is neither From nor To
	// was set by somebody else since, and stays.
	From string `json:"from,omitempty"`
	// To is what it is to ask for.
	To string `json:"to"`
	// Restarts tells that the container's resizePolicy has the container restarted for it.
	Restarts bool `json:"restarts,omitempty"`
}

// amounts are those that a pod's resize subresource changes, in the order in which they are told.
func amounts() []string {
	return []string{"requests.cpu", "limits.cpu", "requests.memory", "limits.memory"}
}

// split returns whether an amount is a limit, and of which resource.
func split(amount string) (limit bool, name corev1.ResourceName) {
	kind, of, _ := strings.Cut(amount, ".")
	return kind == "limits", corev1.ResourceName(of)
}

// listOf returns the list that an amount is in.
func listOf(r *corev1.ResourceRequirements, limit bool) corev1.ResourceList {
	if limit {
		return r.Limits
	}
	return r.Requests
}

// amountOf returns an amount as it stands in a pod.
func amountOf(r *corev1.ResourceRequirements, amount string) (resource.Quantity, bool) {
	limit, name := split(amount)
	quantity, ok := listOf(r, limit)[name]
	return quantity, ok
}

// effective returns an amount that a template leads to: where a request is left out, the API server takes the limit.
func effective(r *corev1.ResourceRequirements, amount string) (resource.Quantity, bool) {
	quantity, ok := amountOf(r, amount)
	if limit, name := split(amount); !ok && !limit {
		quantity, ok = r.Limits[name]
	}
	return quantity, ok
}

// resizes returns the amounts that differ, and the path of the first of them. Those of a container that loses one are not
// among them: the API server takes none away from a pod.
func resizes(old, new *corev1.PodSpec) (all []Resize, path string) {
	for _, list := range []struct {
		key      string
		old, new []corev1.Container
		init     bool
	}{{"containers", old.Containers, new.Containers, false}, {"initContainers", old.InitContainers, new.InitContainers, true}} {
		for i := range min(len(list.old), len(list.new)) {
			if !isResizable(&list.old[i], &list.new[i], list.init) {
				continue
			}
			differ := resizesOf(&list.old[i], &list.new[i])
			if len(differ) > 0 && path == "" {
				path = fmt.Sprintf("spec.template.spec.%s[%d].resources.%s", list.key, i, differ[0].Amount)
			}
			all = append(all, differ...)
		}
	}
	return all, path
}

func resizesOf(old, new *corev1.Container) []Resize {
	var differ []Resize
	for _, amount := range amounts() {
		before, had := effective(&old.Resources, amount)
		after, has := effective(&new.Resources, amount)
		if has && (!had || before.Cmp(after) != 0) {
			_, name := split(amount)
			differ = append(differ, Resize{
				Container: new.Name, Amount: amount, To: after.String(), Restarts: restartsFor(new, name),
			})
		}
	}
	return differ
}

// isResizable tells whether the amounts of a container can be changed in a pod. Those of an ordinary init container cannot;
// it has run.
func isResizable(old, new *corev1.Container, init bool) bool {
	if old.Name != new.Name || (init && (!isSidecar(old) || !isSidecar(new))) {
		return false
	}
	return !slices.ContainsFunc(amounts(), func(amount string) bool {
		_, had := effective(&old.Resources, amount)
		_, has := effective(&new.Resources, amount)
		return had && !has
	})
}

// restartsFor tells whether a container's resizePolicy has the container restarted when an amount of a resource changes.
func restartsFor(c *corev1.Container, name corev1.ResourceName) bool {
	return slices.ContainsFunc(c.ResizePolicy, func(p corev1.ContainerResizePolicy) bool {
		return p.ResourceName == name && p.RestartPolicy == corev1.RestartContainer
	})
}

// takeResources gives the containers the cpu and memory of the others, place by place, where that can be done in a pod.
func takeResources(same, new []corev1.Container, init bool) {
	for i := range min(len(same), len(new)) {
		if !isResizable(&same[i], &new[i], init) {
			continue
		}
		r := &same[i].Resources
		r.Requests = takeAmounts(r.Requests, new[i].Resources.Requests)
		r.Limits = takeAmounts(r.Limits, new[i].Resources.Limits)
	}
}

func takeAmounts(old, new corev1.ResourceList) corev1.ResourceList {
	same := corev1.ResourceList{}
	for name, quantity := range old {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
			same[name] = quantity
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if quantity, ok := new[name]; ok {
			same[name] = quantity
		}
	}
	return same
}

// resizeForces returns why the amounts that differ need a new pod though each of them could be changed in one, or nothing.
// The text goes on from the path of the first one.
func resizeForces(old, new *corev1.PodSpec, differ []Resize) string {
	if len(differ) == 0 {
		return ""
	}
	before, after := qosOf(old), qosOf(new)
	switch {
	case new.Resources != nil && len(new.Resources.Requests)+len(new.Resources.Limits) > 0:
		return " cannot be changed in place in a pod that has resources of its own"
	case new.OS != nil && new.OS.Name == corev1.Windows:
		return " cannot be changed in place in a Windows pod"
	case before != after:
		return fmt.Sprintf(" makes a %s pod of a %s one, which cannot be done in place", after, before)
	}
	return envFromResources(new, differ)
}

// envFromResources returns why a changed amount needs a new pod if a container reads it into its environment, which the
// kubelet sets once, when it makes the container. One that is restarted for the change reads it anew.
func envFromResources(spec *corev1.PodSpec, differ []Resize) string {
	restarted := map[string]bool{}
	for _, r := range differ {
		restarted[r.Container] = restarted[r.Container] || r.Restarts
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			c := &containers[i]
			for j := range c.Env {
				amount, read := readAmount(c, &c.Env[j], differ)
				if read && !restarted[c.Name] {
					return fmt.Sprintf(" cannot be changed in place, since the container %s reads %s into its environment,"+
						" which is set once", c.Name, amount)
				}
			}
		}
	}
	return ""
}

// readAmount tells whether an environment variable is one of the amounts that differ.
func readAmount(c *corev1.Container, env *corev1.EnvVar, differ []Resize) (amount string, read bool) {
	if env.ValueFrom == nil || env.ValueFrom.ResourceFieldRef == nil {
		return "", false
	}
	of := env.ValueFrom.ResourceFieldRef.ContainerName
	if of == "" {
		of = c.Name
	}
	amount = env.ValueFrom.ResourceFieldRef.Resource
	return amount, slices.ContainsFunc(differ, func(r Resize) bool { return r.Container == of && r.Amount == amount })
}

// qosOf returns the class that the API server gives a pod of a template: Guaranteed where every container has limits of cpu
// and memory and asks for as much, BestEffort where none has any, and Burstable otherwise.
func qosOf(spec *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, some := true, false
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			for _, name := range []string{"cpu", "memory"} {
				request, _ := effective(r, "requests."+name)
				limit, _ := effective(r, "limits."+name)
				some = some || !request.IsZero() || !limit.IsZero()
				guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
			}
		}
	}
	switch {
	case !some:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

// Forgo has the change made by a new pod, where it changes amounts of cpu or memory and nothing else asks for one. The text
// goes on from the path of the first amount and says why.
func (c *Change) Forgo(why string) {
	if c.InPlace() && len(c.Resizes) > 0 {
		c.Field, c.Why = c.ResizeField, c.ResizeField+why
	}
}
