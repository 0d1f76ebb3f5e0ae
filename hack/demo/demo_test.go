package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

func newPod(uid, image string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-" + uid, UID: types.UID(uid)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Image: image}}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func deleted(p *corev1.Pod) *corev1.Pod {
	p.DeletionTimestamp = &metav1.Time{}
	return p
}

func TestTimelineTellsEachPhaseOnce(t *testing.T) {
	var out strings.Builder
	c := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	line := newTimeline(&out, c, "v2", []*corev1.Pod{newPod("a", "v1", "True")})
	for i, pods := range [][]*corev1.Pod{
		{newPod("a", "v1", "True")},
		{newPod("a", "v1", "False")},
		{newPod("a", "v1", "False")},
		{newPod("a", "v2", "False")},
		{newPod("a", "v2", "True")},
	} {
		c.SetTime(time.Unix(int64(i), 0))
		line.observe(pods)
	}
	want := []string{"1.0 s pod-a draining", "3.0 s pod-a restarting", "4.0 s pod-a done, after 3.0 s (1 of 6)"}
	if got := lines(out.String()); !equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimelineTellsOfReplacements(t *testing.T) {
	var out strings.Builder
	c := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	line := newTimeline(&out, c, "v2", []*corev1.Pod{newPod("a", "v1", "True")})
	line.observe([]*corev1.Pod{deleted(newPod("a", "v1", "True")), newPod("b", "v2", "False")})
	line.observe([]*corev1.Pod{newPod("b", "v2", "True")})
	want := []string{
		"0.0 s pod-a terminating", "0.0 s pod-b created", "0.0 s pod-b done, after 0.0 s (1 of 6)", "0.0 s pod-a gone",
	}
	if got := lines(out.String()); !equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// lines splits text into lines with single spaces.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	return all
}

func equal(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }

func goodReport() report {
	return report{
		CloneSet: result{
			Pods: 6, SameUID: 6, SameIP: 6, SameNode: 6, Requests: minRequests, PodSecondsOutOfService: 30,
		},
		Deployment: result{Pods: 6, Requests: minRequests, PodSecondsOutOfService: 60},
	}
}

func TestVerdict(t *testing.T) {
	good := goodReport()
	if err := good.verdict(); err != nil {
		t.Errorf("a good report is refused: %v", err)
	}
	for name, spoil := range map[string]func(*report){
		"a request failed":           func(r *report) { r.CloneSet.RequestsFailed = 1 },
		"too few requests":           func(r *report) { r.CloneSet.Requests-- },
		"a pod was recreated":        func(r *report) { r.CloneSet.SameUID-- },
		"an address changed":         func(r *report) { r.CloneSet.SameIP-- },
		"a pod is missing":           func(r *report) { r.CloneSet.Pods, r.CloneSet.SameUID = 5, 5 },
		"a sidecar was restarted":    func(r *report) { r.CloneSet.OtherContainersRestarted = 1 },
		"more than half of the time": func(r *report) { r.CloneSet.PodSecondsOutOfService = 30.1 },
	} {
		t.Run(name, func(t *testing.T) {
			r := goodReport()
			spoil(&r)
			if r.verdict() == nil {
				t.Error("no error")
			}
		})
	}
}

func TestTableSetsTheKindsSideBySide(t *testing.T) {
	r := goodReport()
	var out strings.Builder
	r.print(&out)
	if got := strings.Join(lines(out.String()), "\n"); !strings.Contains(got, "out of service, pod-seconds 30.0 60.0") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestMediansTellWhereTheTimeWent(t *testing.T) {
	set := &appsv1beta1.CloneSet{}
	if got := medians(nil) + medians(set); got != "" {
		t.Errorf("got %q of nothing", got)
	}
	set.Status.UpdateTimes = &appsv1beta1.UpdateTimes{Phases: []appsv1beta1.PhaseTimes{
		{Phase: appsv1beta1.UpdateDrain, P50: metav1.Duration{Duration: 2100 * time.Millisecond}},
		{Phase: appsv1beta1.UpdateStop, P50: metav1.Duration{Duration: 10 * time.Millisecond}},
	}}
	if got, want := medians(set), "Drain 2.1s, Stop 10ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
