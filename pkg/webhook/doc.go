// Package webhook says at admission what the CustomResourceDefinition cannot say of a CloneSet. There is no webhook for
// pods.
//
// The controller does not rely on it: what the webhook would have refused is reported by a condition, and no pod is
// touched. So the webhook may be down, and whatever goes wrong in it never keeps a CloneSet from being changed, least of
// all from being set back; what it cannot find out becomes a warning.
//
// Where to find what: what is refused and what only warned of, validator.go and idle.go; how a template is tried out,
// trial.go; where a field of the pod is in the CloneSet, paths.go; when a certificate is made and when it is served,
// certificates.go; who makes it, rotator.go, and who serves it, keeper.go; settings and wiring, options.go and setup.go.
package webhook
