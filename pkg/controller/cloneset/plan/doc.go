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
//   - slots: maxUnavailable less the pods at the update revision that are not available. Whatever brings a pod to the
//     update revision at the price of a restart takes one, whether the pod was available or not; so a revision that
//     does not run is tried on no more than maxUnavailable pods. A drained pod that finds no slot goes back into service.
//   - quota: the pods at other revisions beyond the partition.
//
// Where to find what: which pod is updated next, order.go; what becomes of it, update.go; how many, limits.go; which
// pod is deleted and which revision a new one gets, scale.go; what is reported, status.go and conditions.go.
package plan
