package inplace

import "slices"

// Rule says how one container is updated. The zero value is that of a container of which nothing is said.
type Rule struct {
	// Priority orders the containers that are updated together: those of the highest one are patched first.
	Priority int32
	// NoDrain tells that the pod may be in service while the container is restarted.
	NoDrain bool
}

// Rules are those of the containers of a pod, by name.
type Rules map[string]Rule

// NeedsDrain tells whether a pod has to be out of service while some of its containers are restarted.
func NeedsDrain(names []string, rules Rules) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !rules[name].NoDrain })
}

// Restarting returns the containers that the patches of a change restart in a pod that is so far: those that the change
// names, and those that an earlier patch left to be confirmed or to be patched.
func Restarting(change *Change, progress *Progress) []string {
	var names []string
	for _, i := range change.Images {
		if i.Restarts {
			names = append(names, i.Container)
		}
	}
	for _, r := range change.Resizes {
		if r.Restarts && !slices.Contains(names, r.Container) {
			names = append(names, r.Container)
		}
	}
	for _, name := range slices.Concat(progress.Unconfirmed, progress.Pending) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
