// Package plan decides what is to be done for a CloneSet: Compute takes what was observed and returns the actions of
// one pass, the status to be reported and when to look again.
//
// The package is pure. It imports no client, no context and no clock; the same input gives the same plan, in whatever
// order the pods come. It is total: there is no error and no panic, and a spec that contradicts itself gives no actions
// and a condition.
//
// One plan covers scaling and updating, out of one budget:
//
//   - budget: the available pods beyond replicas - maxUnavailable. Whatever takes an available pod out of service, be
//     it a deletion or a drain, takes one of it.
//   - slots: maxUnavailable and the pods that surge, less the pods at the update revision that are not available. Whatever
//     brings a pod to the update revision at the price of a restart takes one, whether the pod was available or not; so a
//     revision that does not run is tried on no more pods than that. A drained pod that finds no slot goes back into
//     service.
//   - places: those of the PodDisruptionBudgets that select a pod. Whatever takes a ready pod out of service, scaling in
//     apart, has a place in each of them first, which is seen in the pass after the one that took it.
//   - quota: the pods at other revisions beyond the partition, less those that surge pods take the place of.
//
// Where to find what: which pod is updated next, order.go and priority.go; what becomes of it, update.go, and of its
// single containers, containers.go; what it waits for, hooks.go, and images.go for what its node lacks; how many, limits.go
// and surge.go; which pod is deleted and which revision a new one gets, scale.go; what PodDisruptionBudgets hold back,
// disruption.go; how images are pulled, rehearsal.go; what pods that fail bring about, failure.go; what becomes of claims,
// claims.go; what is reported, status.go, conditions.go and deadline.go.
package plan
