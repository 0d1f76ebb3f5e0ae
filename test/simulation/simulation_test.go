package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

// shards is how many tests the scenarios are spread over, which run in parallel.
const shards = 4

// TestMain has the same scenarios run every time, so that a failure is about the change at hand. "make soak" runs others, as
// many as one likes. rapid.checks says how many there are in all; each of the shards runs its share.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // Time matters more than memory.
	for name, value := range map[string]string{"rapid.checks": "200", "rapid.steps": "20", "rapid.seed": "1"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	all := flag.Lookup("rapid.checks").Value
	if n, err := strconv.Atoi(all.String()); err == nil {
		if err := all.Set(strconv.Itoa((n + shards - 1) / shards)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestRollouts drives random rollouts to their end. Run with -v it tells how many there were.
func TestRollouts(t *testing.T) {
	var ran atomic.Int64
	t.Cleanup(func() { t.Logf("%d rollouts were simulated", ran.Load()) })
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Log("to replay it: go test ./test/simulation -run=... -rapid.seed=..., as told above")
				}
			})
			rapid.Check(t, func(t *rapid.T) {
				for range shard {
					rapid.Uint64().Draw(t, "shard") // From the same seed, each shard makes another scenario.
				}
				r := rollout(t, plan.Compute)
				ran.Add(1)
				if r.broken != "" {
					t.Fatalf("%s", r.report())
				}
			})
		})
	}
}

// rollout lets random things happen to a CloneSet, then puts everything in order and waits for the end.
func rollout(t *rapid.T, compute planner) *run {
	r := newRun(t, compute)
	t.Repeat(r.actions())
	r.heal()
	r.converges()
	if r.broken == "" && rapid.Bool().Draw(t, "another ending") {
		r.endsAs(t)
	}
	return r
}
