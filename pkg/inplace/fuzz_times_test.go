package inplace_test

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// FuzzTimes shows a process any statuses of a pod, in any order and by any clock. What it tells is never less than no time,
// and the phases are together what the pod was out of service.
func FuzzTimes(f *testing.F) {
	state := `{"version":1,"generation":2,"records":[{"name":"web","image":"web:1","containerID":"cri://web-1"}]}`
	f.Add(state, []byte{0, 1, 0x15, 0x25, 0x65, 0x64}, []byte{1, 2, 3, 4, 5, 6}, true)
	f.Add(`{"version":1,"generation":2,"inService":true,"records":[{"name":"web"}]}`, []byte{0x14, 0x64, 1, 0x29, 0}, []byte{9, 200, 3}, false)
	f.Add("", []byte{255, 1, 255, 0}, []byte{0}, true)
	f.Fuzz(func(t *testing.T, state string, statuses, clock []byte, listed bool) {
		var times *inplace.Times
		var before *corev1.Pod
		now := testpods.Start()
		for i, b := range statuses {
			if len(clock) > 0 {
				now = now.Add(time.Duration(int8(clock[i%len(clock)])) * time.Second)
			}
			pod := statusOf(state, b)
			var ended *inplace.Times
			times, ended = times.SeeWaiting(b%5 == 0, b%7 > 0, now).See(before, pod, b%3 > 0, now)
			expectSound(t, times)
			expectSound(t, ended)
			if times.AwaitsEndpoints() && b%2 == 0 {
				expectSound(t, times.SeeEndpoints(listed, now))
			}
			expectTold(t, pod, times)
			before = pod
		}
	})
}

// statusOf returns a pod with a state, whose gate, generations and container a byte says.
func statusOf(state string, b byte) *corev1.Pod {
	id := []string{"cri://web-1", "cri://web-2", "cri://web-3", ""}[b>>6]
	return fuzzed(state, "", int64(b>>1&1), 1+int64(b>>2&3), int64(b>>4&3), b&3, "web:2", "", id)
}

func expectSound(t *testing.T, times *inplace.Times) {
	t.Helper()
	took := times.Took()
	sum, known := time.Duration(0), true
	for phase, length := range took {
		if length < 0 {
			t.Errorf("%s took %s", phase, length)
		}
	}
	for _, phase := range []appsv1beta1.UpdatePhase{drain, stop, start, toReady, endpoints} {
		length, ok := took[phase]
		sum, known = sum+length, known && ok
	}
	if known && took[out] != sum {
		t.Errorf("the phases are %v, together %s", took, sum)
	}
}

// expectTold checks that the patch that ends an update is one, whatever the pod told before.
func expectTold(t *testing.T, pod *corev1.Pod, times *inplace.Times) {
	t.Helper()
	if patch := inplace.WithLastUpdate(inplace.ServePatch(pod, testpods.Start()), pod, times); !json.Valid(patch) {
		t.Errorf("no patch: %s", patch)
	}
}
