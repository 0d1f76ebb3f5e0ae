// Package inplace knows what one in-place update of one pod is: what may change without a new pod, the patches that
// make the change, and how far a pod is, told from what the API holds.
//
// The package is pure: it imports no client, no context and no clock; time is an argument. It knows pods and templates
// and nothing of the kind that owns the pods.
//
// An update of a drained pod is three writes. Drain turns the readiness gate off; the pod's endpoints follow. Update patches the images
// and leaves a State on the pod that tells what ran before. Serve turns the gate on again, once every patched
// container was seen to run its new image. In between, nothing is kept that a new process could not derive, but for the
// Sightings, which make the confirmation quicker.
//
// A pod all of whose changed containers have nothing to do with its traffic stays in service: Update patches it with the
// gate on, and Confirm notes in the State that the containers run. Rules say which containers these are, and which go
// first: then Update patches one priority after the other, and the State tells what is pending.
package inplace
