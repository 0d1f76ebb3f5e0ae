// Package chaos rolls out pods on simulated nodes while everything goes wrong for the manager: it is killed every few
// seconds, its API calls fail, before or after they took effect, and its watches break off. A witness that talks to the API
// server directly holds what became of the pods against the invariants of the design.
//
// "make chaos" runs it on a control plane of its own.
package chaos
