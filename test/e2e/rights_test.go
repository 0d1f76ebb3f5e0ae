package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// unasked tells why the manager needs a right that no test on a real node has it ask for, or nothing.
func unasked(right framework.Right, used map[framework.Right]bool) string {
	watch := right
	watch.Verb = "watch"
	switch {
	case right.Verb == "list" && used[watch]:
		return "API servers without streaming lists need it before a watch"
	case right == framework.Right{Group: "apps.insitu.dev", Resource: "clonesets/finalizers", Verb: "update"}:
		return "an admission plugin asks for it"
	case right == framework.Right{Resource: "secrets", Verb: "create"}:
		return "somebody may have deleted the one of the chart"
	case right == framework.Right{Resource: "events", Verb: "patch"}:
		return "an event of the leader election that is repeated is patched"
	case right == framework.Right{Resource: "persistentvolumeclaims", Verb: "get"},
		right == framework.Right{Resource: "persistentvolumeclaims", Verb: "delete"}:
		return "the integration tests have claims that somebody else made, and some that are kept for nothing"
	}
	return ""
}

// checkRights compares the rights that the chart gives the manager with those that all tests together had it use, and
// returns how many lines about differences it has written. A few of the tests would not use all of them.
func checkRights(ctx context.Context, out io.Writer) int {
	if shared == nil || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return 0
	}
	used, forbidden, err := shared.UsedRights()
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	granted, err := shared.GrantedRights(ctx)
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	lines := 0
	for _, r := range forbidden {
		fmt.Fprintln(out, "the manager's roles do not allow:", r)
		lines++
	}
	for _, right := range slices.SortedFunc(maps.Keys(granted), framework.Right.Compare) {
		if !used[right] && unasked(right, used) == "" {
			fmt.Fprintf(out, "the manager's roles allow what it never asked for: %+v\n", right)
			lines++
		}
	}
	return lines
}
