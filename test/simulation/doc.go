// Package simulation runs the planner against the model kubelet, in virtual time, through random rollouts: edits of every
// kind, images that cannot be pulled, crash or take long, pods deleted, evicted and edited by hand, nodes lost, calls
// that fail before or after their effect, stale caches, and managers that die between any two writes.
//
// After every write and every report it checks the invariants of the design:
//
//	I1 availability   no action takes an available pod out of service when fewer than replicas - maxUnavailable would remain
//	I2 surge          no pod is created while replicas that are not terminating exist
//	I3 partition      no action takes a pod off the old revision when fewer than partition would remain there
//	I4 drained        no image is patched while the pod could still be sent traffic
//	I5 identity       untouched containers are not restarted
//	I6 progress       every valid spec that images and cluster allow is reached in a bounded time
//	I7 crash-safe     all of this holds whenever the manager dies and starts again
//	I8 honest         a pod is counted updated only when its containers run the new images
//
// A failure prints the shortest scenario that rapid finds, and the command that replays it.
package simulation
