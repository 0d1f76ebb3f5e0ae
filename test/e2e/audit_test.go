package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// podWrites returns how often the manager wrote to each pod since it had made that many writes, and the number it has
// made now. Pods that pull images are left out.
func (e *env) podWrites(since int) (byPod map[string][]string, now int) {
	e.Helper()
	writes, err := e.cluster.ManagerWrites(e.namespace, "pods")
	e.must(err)
	byPod = map[string][]string{}
	for _, w := range writes[since:] {
		if strings.Contains(w.Object.Name, "-rehearsal-") {
			continue
		}
		byPod[w.Object.Name] = append(byPod[w.Object.Name], w.Verb+" "+w.Object.Subresource)
		if w.Response.Code == http.StatusConflict {
			e.Errorf("the manager ran into a conflict: %s", w)
		}
	}
	return byPod, len(writes)
}

// expectWrites checks that the manager made exactly these writes to each pod.
func (e *env) expectWrites(byPod map[string][]string, want []string) {
	e.Helper()
	for _, pod := range e.pods() {
		if got := byPod[pod.Name]; fmt.Sprint(got) != fmt.Sprint(want) {
			e.Errorf("the writes to pod %s were %q, want %q", pod.Name, got, want)
		}
	}
}

func TestManagerWritesNoMoreThanItMust(t *testing.T) {
	e := newEnv(t, func(w *framework.Workload) { w.Replicas = 4 })
	created, n := e.podWrites(0)
	e.expectWrites(created, []string{"create ", "patch status"})

	e.setImage(ref(webV2))
	e.untilComplete()
	updated, n := e.podWrites(n)
	e.expectWrites(updated, []string{"patch status", "patch ", "patch status"})
	e.expectLedger()

	e.change(setEnv)
	e.untilComplete()
	// A new pod may have the name of the one it replaces.
	recreated, _ := e.podWrites(n)
	total := map[string]int{}
	for _, writes := range recreated {
		for _, w := range writes {
			total[w]++
		}
	}
	want := map[string]int{"delete ": 4, "create ": 4, "patch status": 4}
	if fmt.Sprint(total) != fmt.Sprint(want) {
		t.Errorf("the writes of the recreation were %v, want %v", total, want)
	}
}
