// Package scale measures what a rollout of many pods costs: CPU, memory, requests and time of the manager, on a real
// control plane with simulated nodes, beside the same rollout of a Deployment by the real controller manager. It fails
// when a budget is exceeded.
//
// It takes minutes, so only "make bench" runs it.
package scale
