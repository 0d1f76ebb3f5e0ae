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

// unasked are the rights that the manager needs, but that no test has it ask for.
var unasked = map[framework.Right]string{
	{Group: "apps.insitu.dev", Resource: "clonesets/finalizers", Verb: "update"}: "only an admission plugin asks for it",
	{Resource: "secrets", Verb: "create"}:                                        "only if somebody deleted the one of the chart",
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
		if !used[right] && unasked[right] == "" {
			fmt.Fprintf(out, "the manager's roles allow what it never asked for: %+v\n", right)
			lines++
		}
	}
	return lines
}
