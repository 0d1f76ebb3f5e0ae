package plan

import (
	goflag "flag"
	"os"
	"testing"
)

// TestMain has the properties see the same plans every time, so that a failure is about the change at hand. "make soak" draws
// others.
func TestMain(m *testing.M) {
	if err := goflag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
	goflag.Parse()
	os.Exit(m.Run())
}
