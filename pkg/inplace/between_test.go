package inplace_test

import (
	"testing"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// A -> B -> C -> B, where B's container appears in a status from before the kubelet saw C: it must not be taken for C's,
// which would have the container that is wanted waited out for ever.
func TestContainerIsNotTakenForOneOfAnImageThatTheKubeletHadNotSeen(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.patch("c", map[string]string{"web": "app:c"})
	r.kubelet(run("web", 2, "app:b"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.expect(inplace.PhaseRestarting, "web") // It may be A's, ended and started again.
	r.wait(settling)
	r.expect(inplace.PhaseRestarted)
}
