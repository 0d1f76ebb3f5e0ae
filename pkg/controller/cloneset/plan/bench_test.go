package plan

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// BenchmarkCompute plans in the middle of a rollout, with one pod in ten on its way: a third of these drained, a third
// patched and a third running their new image. A pass is to cost so much a pod, however many there are.
func BenchmarkCompute(b *testing.B) {
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprintf("rollout of %d", n), func(b *testing.B) {
			plans(b, inputOf(cloneSet(n, maxUnavailableOf(n/10), rehearsed()), midway(b, n)...))
		})
		b.Run(fmt.Sprintf("nothing to do for %d", n), func(b *testing.B) { plans(b, inputOf(cloneSet(n), numbered(n, updated)...)) })
	}
}

func plans(b *testing.B, in Input) {
	b.ReportAllocs()
	for b.Loop() {
		Compute(in)
	}
	pods := float64(len(in.Pods))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pods, "ns/pod")
	b.ReportMetric(testing.AllocsPerRun(1, func() { Compute(in) })/pods, "allocs/pod")
}

// midway returns pods of which half are updated and a tenth is on its way.
func midway(b *testing.B, n int) []*corev1.Pod {
	b.Helper()
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		name := fmt.Sprintf("web-%05d", i)
		switch {
		case i%10 == 0 && i%30 == 0:
			pods[i] = drainedOld(name)
		case i%10 == 0:
			pods[i] = patchedTo(b, name)
			testpods.Observe(pods[i])
			if i%20 == 0 {
				testpods.Run(pods[i], "web", 2, "app:b")
			}
		case i%2 == 0:
			pods[i] = updated(name)
		default:
			pods[i] = old(name, onNode(fmt.Sprintf("node-%02d", i%100)))
		}
	}
	return pods
}
