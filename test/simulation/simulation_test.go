package simulation

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// TestMain has the same scenarios run every time, so that a failure is about the change at hand. "make soak" runs others, as
// many as one likes.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "400", "rapid.seed": "1"} {
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
	r.converges()
	return r
}
