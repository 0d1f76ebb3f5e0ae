package plan

import (
	"slices"
	"strings"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// scatter spreads the pods of each kind evenly over the rollout: after any number of updates, the share of a kind among
// the pods that were updated is as near as can be to its share among all. What was updated or begun counts, so that the
// order over the whole rollout is the same in however many passes it comes about. Pods that match the same terms are of a
// kind. Only those change places that the priorities do not tell apart, nor whether they serve anybody; surge pods do not
// count, since they come on top.
func (p *planner) scatter() {
	terms := p.in.Set.Spec.UpdateStrategy.RollingUpdate.ScatterStrategy
	if len(terms) == 0 {
		return
	}
	mixtures := p.mixtures(terms)
	for rest := p.view.old; len(rest) > 0; {
		n := 1
		for n < len(rest) && mayChangePlaces(rest[0], rest[n]) {
			n++
		}
		if !rest[0].specified && !rest[0].isTaken() {
			mixtures[rest[0].priority].scatter(rest[:n])
		}
		rest = rest[n:]
	}
}

// mayChangePlaces tells whether two neighbours in the order may be put in another order to be spread.
func mayChangePlaces(a, b *member) bool {
	return a.specified == b.specified && a.isTaken() == b.isTaken() && a.priority == b.priority && a.available == b.available
}

// isTaken tells whether the pod was updated, or chosen for it before.
func (m *member) isTaken() bool { return !m.old || m.bound || m.begun() }

// mixture is what the pods of one priority are made up of.
type mixture struct {
	// kinds are those that there are, the one that matches the first terms first.
	kinds []string
	// all is how many pods there are of each kind, and taken how many of them were updated or chosen.
	all, taken map[string]int
	// total and place are the sums of all and taken.
	total, place int
}

// mixtures counts the pods of each priority by kind.
func (p *planner) mixtures(terms []appsv1beta1.ScatterTerm) map[priority]*mixture {
	mixtures := map[priority]*mixture{}
	for m := range p.all() {
		if m.specified || (!m.old && m.surge) {
			continue
		}
		m.kind = kindOf(terms, m.pod.Labels)
		if mixtures[m.priority] == nil {
			mixtures[m.priority] = &mixture{all: map[string]int{}, taken: map[string]int{}}
		}
		mixtures[m.priority].add(m)
	}
	for _, x := range mixtures {
		slices.SortFunc(x.kinds, func(a, b string) int { return strings.Compare(b, a) })
	}
	return mixtures
}

// kindOf returns a character for each term, which tells whether the labels match it.
func kindOf(terms []appsv1beta1.ScatterTerm, labels map[string]string) string {
	kind := make([]byte, len(terms))
	for i := range terms {
		kind[i] = '0'
		if value, ok := labels[terms[i].Key]; ok && value == terms[i].Value {
			kind[i] = '1'
		}
	}
	return string(kind)
}

func (x *mixture) add(m *member) {
	if x.all[m.kind] == 0 {
		x.kinds = append(x.kinds, m.kind)
	}
	x.all[m.kind]++
	x.total++
	if m.isTaken() {
		x.take(m.kind)
	}
}

func (x *mixture) take(kind string) {
	x.taken[kind]++
	x.place++
}

// scatter puts pods of this mixture, none of which is taken, in the order in which they are to be taken. Those of one kind
// keep their order.
func (x *mixture) scatter(pods []*member) {
	waiting := map[string][]*member{}
	for _, m := range pods {
		waiting[m.kind] = append(waiting[m.kind], m)
	}
	for i := range pods {
		kind := x.next(waiting)
		pods[i], waiting[kind] = waiting[kind][0], waiting[kind][1:]
		x.take(kind)
	}
}

// next returns the kind, of those that are waiting, that lags behind its share the most when one more pod is taken. A tie is
// decided by the terms, and not by the pods: their order is another one in the next pass.
func (x *mixture) next(waiting map[string][]*member) string {
	best, most := "", 0
	for _, kind := range x.kinds {
		lag := (x.place+1)*x.all[kind] - x.taken[kind]*x.total
		if len(waiting[kind]) > 0 && (best == "" || lag > most) {
			best, most = kind, lag
		}
	}
	return best
}
