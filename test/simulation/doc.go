// Package simulation runs the planner against the model kubelet, in virtual time, through random rollouts: edits of every
// field that decides anything, images that cannot be pulled, crash or take long, native sidecars and several containers with
// priorities, some of which need no drain, claims and their garbage collection, somebody who handles hooks, sometimes late,
// resources that nodes have no room for, or never, and that somebody else changes as well, pods named or labelled to be
// deleted, deleted, evicted, relabelled and edited by hand with their state corrupted, revisions
// and claims deleted by hand, a PodDisruptionBudget that comes, changes and goes, with evictions that ask it, nodes lost,
// rehearsals deleted, evicted and refused, restarts, tags that move, calls
// that are refused or fail before or after their effect, caches of pods, slices, claims, CloneSets and PodDisruptionBudgets that
// are each behind by another amount, managers that die between any two writes, and two managers at a time at a change of the
// leader.
//
// Before and after every write it checks the invariants of the design:
//
//	I1 availability   no action takes an available pod out of service when fewer than replicas - maxUnavailable would remain:
//	                  a deletion, a drain, a patch in service, the announcement of either to a hook; no more pods than
//	                  scaleStrategy.maxUnavailable are made at a time
//	I2 surge          no pod is created while replicas + maxSurge exist that are not terminating (replicas, while paused and
//	                  with OnDelete), and none beyond replicas unless a pod goes out of service; surge pods that go are
//	                  beyond replicas
//	I3 partition      no action takes a pod off the old revision when fewer than partition would remain there, or while
//	                  nothing is to be updated; new pods are of the stable revision as long as the partition lacks old ones;
//	                  surge pods that go are none of them
//	I4 drained        no image is patched, and no resource that a container is restarted for, while the pod could still be
//	                  sent traffic, except of containers that need no drain; no pod is patched or deleted with the hook on it
//	                  that is to be taken off first
//	I5 identity       untouched containers are not restarted; no claim is deleted that a pod which stays uses, nor one that
//	                  is to be kept for the pod's successor; where surge pods are the ones that go, no other pod does while
//	                  there are no more of those than replicas
//	I6 progress       every valid spec that images and cluster allow is reached in a bounded time and number of passes, and
//	                  then nothing more is done; so are the ends of rollouts that are paused, stop at a partition or leave
//	                  pods as they are: as many pods as replicas that serve, but for those that surge
//	I7 crash-safe     all of this holds whenever the manager dies and starts again
//	I8 honest         a pod is counted updated only when its containers run the new images with the new resources, or were
//	                  restarted where that was asked for, and available only when it is;
//	                  a rollout is complete, and its revision the stable one, only when all pods are
//	I9 proved         no image is patched into a pod whose node does not have it, unless rehearsals are not asked for, or are
//	                  not to be waited for where they cannot run
//	I10 disruption    no pod that was seen ready goes out of service for the update, or because the user named it, without
//	                  a place in the PodDisruptionBudget that selects it; no more places are taken than there are, and none
//	                  is given back that an eviction has taken
//	I11 failures      no pod is made at, or brought to, a revision that was given up, nor one that as many pods have failed at as
//	                  failurePolicy takes; no revision is given up where all pods run, and neither is that done nor a pod replaced
//	                  that failed unless the user wants it; what was given up is left by all pods; where one goes back to
//	                  the stable revision, no other one gets that whose containers crash at once
//	I12 ledger        what is told of an update is what it was, or nothing: no phase is shorter than none, together they are the
//	                  time that the pod was out of service, and what a manager was not there to see is not told; no more restarts
//	                  are said to be planned than there were
//	I13 pinned        where tags are pinned, all pods of a revision get the digest that was chosen first, and none gets the
//	                  tag alone once that is recorded
//
// Each manager is held to what it can know: what its caches hold, and what it did since. Two at a time cannot see what the
// other one does; see late for what then holds.
//
// A failure prints the shortest scenario that rapid finds, and how to replay it.
package simulation
