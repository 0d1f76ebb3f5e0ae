// Package load sends HTTP requests at a steady rate and counts every one that fails.
//
// The pace is open-loop: a request is sent when it is due, however long the ones before it take, so that a server that
// answers slowly is not asked less. Nothing is sent twice: an error, a time-out and a status but 200 are failures, each
// of them recorded with its time and text.
package load
