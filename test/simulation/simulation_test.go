package simulation

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// TestMain runs more scenarios than rapid does by default, and the same ones every time, so that a failure is about the
// change at hand. "make soak" runs others, as many as one likes.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "1500", "rapid.seed": "1"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}

// TestRollouts drives random rollouts to their end.
func TestRollouts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if r := rollout(t, plan.Compute); r.broken != "" {
			t.Fatalf("%s", r.report())
		}
	})
}

// rollout lets random things happen to a CloneSet, then puts everything in order and waits for the end.
func rollout(t *rapid.T, compute planner) *run {
	r := newRun(t, compute)
	t.Repeat(r.actions())
	r.heal()
	if !r.settle(bound, r.converged) {
		r.fail("I6: not as asked for after %s; the next pass is due at %v", bound, r.due)
	}
	return r
}
