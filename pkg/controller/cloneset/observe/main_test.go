package observe

import (
	"flag"
	"os"
	"testing"
)

// TestMain has the properties see the same objects every time, so that a failure is about the change at hand. "make soak" draws
// others.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}
