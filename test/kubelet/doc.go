// Package kubelet is a model of what a kubelet does with pods: how long it is blocked, what it publishes and, above
// all, in which order. Controllers are tested against it where a real node would be too slow or too kind.
//
// The model follows one rule: whatever a real kubelet may let a client see, in whatever order, the model can show as
// well, and it shows nothing else. What it keeps:
//
//   - A container restarts when the image string in the spec is not the one it was started with; digests do not matter.
//   - The old container is killed before the new image is pulled.
//   - A pod has one worker. While it kills, pulls and starts, nothing else happens to the pod: a newer spec, a gate, even
//     a deletion waits, and no status is generated (but a readiness probe may still fail).
//   - A status is generated at the start of a sync, so observedGeneration arrives with the old container beside it. Statuses
//     are sent a little later, and one that is overtaken before it was sent is never seen.
//   - A sync that fails is told of by the next one, which comes 10 s later or more if nothing else asks for it.
//   - A container that cannot be started keeps the ID, image ID and restart count of its predecessor in the status.
//   - Back-off belongs to a container and an image: another image starts at once.
//   - Image names in a status are those that the node's image store lists first for that digest, not those asked for.
//   - Whether a pod gets the resources that it is resized to is decided as soon as the kubelet sees them, whatever its worker
//     does: at once, when there is room, or never. Running containers get them in a sync, after the kills and before the
//     starts, or are restarted for them. A container that is started meanwhile has what the pod had when the sync began.
//   - The containers of a status are in the order of their names, whatever that of the spec.
//
// Two drivers run the same model. [World] is an API server for pods in memory with a virtual clock and no goroutines,
// for simulations; [Simulator] plays the nodes of a real API server. The scenarios in the folder below are played with the
// model and with a real kubelet, and both must show the same.
//
// Limits: there are no volumes, ephemeral containers, postStart hooks, liveness probes or sandbox restarts, and probes of
// an application pass once and for all. The scheduler gives no thought to resources. Pulls of one node do not queue behind
// each other.
package kubelet
