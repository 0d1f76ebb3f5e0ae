package inplace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// crash is one run of a container that ended by itself: when it was started again, and what the end was like.
type crash struct {
	n       int
	backOff time.Duration
	code    int32
	words   string
}

// crashed has a container end by itself some time before a moment, and run again from then on.
func crashed(name string, at time.Time, c crash) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		ended := testpods.Status(pod, name).ContainerID
		testpods.Run(pod, name, c.n, "app:b")
		status := testpods.Status(pod, name)
		status.State.Running.StartedAt = metav1.NewTime(at)
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ContainerID: ended, ExitCode: c.code, Reason: "Error", Message: c.words, FinishedAt: metav1.NewTime(at.Add(-c.backOff)),
		}
	}
}

// died has the container that runs end by itself, with the kubelet having it wait.
func died(name string, at time.Time, code int32, words string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		status := testpods.Status(pod, name)
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ContainerID: status.ContainerID, ExitCode: code, Reason: "Error", Message: words, FinishedAt: metav1.NewTime(at),
		}
		waiting(name, "CrashLoopBackOff", "back-off 10s restarting failed container")(pod)
	}
}

// inTurn plays a rollout from app:a to app:b up to a point.
type inTurn func(r *rollout)

// TestFaultOfAnUpdatedPod tells what counts as failed of a pod whose container ran app:a and is to run app:b.
func TestFaultOfAnUpdatedPod(t *testing.T) {
	code := func(c int32) *int32 { return &c }
	at := testpods.Start()
	seen := func(changes ...func(*corev1.Pod)) inTurn {
		return func(r *rollout) {
			r.kubelet(testpods.Observe)
			for _, change := range changes {
				r.kubelet(change)
			}
		}
	}
	tests := map[string]struct {
		play inTurn
		want *inplace.Fault
	}{
		"the kubelet has not acted":       {seen(), nil},
		"it runs":                         {seen(run("web", 2, "app:b")), nil},
		"it is being made":                {seen(waiting("web", "ContainerCreating", "")), nil},
		"an older status tells of a pull": {func(r *rollout) { r.kubelet(waiting("web", "ErrImagePull", "app:a: not found")) }, nil},
		"its image cannot be pulled": {
			seen(waiting("web", "ErrImagePull", "app:b: not found")),
			&inplace.Fault{Container: "web", Reason: "ErrImagePull", Message: "app:b: not found"},
		},
		"the kubelet backs off from pulling": {
			seen(waiting("web", "ErrImagePull", "app:b: not found"), waiting("web", "CrashLoopBackOff", "back-off 10s")),
			&inplace.Fault{Container: "web", Reason: "ErrImagePull", Message: "app:b: not found"},
		},
		"it cannot be created": {
			seen(waiting("web", "CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
			&inplace.Fault{
				Container: "web", Reason: "CreateContainerConfigError", Message: "container has runAsNonRoot and image will run as root",
			},
		},
		"it cannot be started": {
			seen(waiting("web", "RunContainerError", "exec: no such file")),
			&inplace.Fault{Container: "web", Reason: "RunContainerError", Message: "exec: no such file"},
		},
		"it crashed once": {seen(run("web", 2, "app:b"), crashed("web", at, crash{n: 3, code: 1})), nil},
		"it crashes again and again": {
			seen(run("web", 2, "app:b"), crashed("web", at, crash{n: 3, code: 1}), died("web", at, 3, "no database\n")),
			&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: code(3), Message: "Error: no database"},
		},
		"it runs between two crashes": {
			seen(run("web", 2, "app:b"), crashed("web", at, crash{n: 3, code: 1, backOff: 10 * time.Second})),
			&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: code(1), Message: "Error"},
		},
		"it ended well, again and again": {
			seen(run("web", 2, "app:b"), died("web", at, 0, "")),
			&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: code(0), Message: "Error"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := drained(t, testpods.Container("web", "app:a"))
			r.patch("b", map[string]string{"web": "app:b"})
			tt.play(r)
			r.expectFault(tt.want)
		})
	}
}

// expectFault fails the test unless that is wrong with the pod.
func (r *rollout) expectFault(want *inplace.Fault) {
	r.t.Helper()
	got, _ := inplace.FaultOf(r.pod, r.seen, 0, r.now)
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("fault (-want +got):\n%s", diff)
	}
}

// A pod that was brought from an image that did not run to one that takes its time shows for long what was wrong before.
func TestFaultIsNotThatOfTheImageBefore(t *testing.T) {
	before := map[string]func(*corev1.Pod){
		"could not be pulled":    waiting("web", "ImagePullBackOff", `Back-off pulling image "app:a"`),
		"could not be created":   waiting("web", "CreateContainerError", "no such user"),
		"crashed":                died("web", testpods.Start(), 1, ""),
		"crashed, and ran again": crashed("web", testpods.Start(), crash{n: 2, code: 1, backOff: 10 * time.Second}),
	}
	for name, broken := range before {
		t.Run(name, func(t *testing.T) {
			r := drained(t, testpods.Container("web", "app:a"), broken)
			r.patch("b", map[string]string{"web": "app:b"})
			r.expectFault(nil)
			r.kubelet(testpods.Observe)
			r.expectFault(nil)
			message := `Back-off pulling image "app:b": ErrImagePull: not found`
			r.kubelet(waiting("web", "ImagePullBackOff", message))
			r.expectFault(&inplace.Fault{Container: "web", Reason: "ImagePullBackOff", Message: message})
		})
	}
}

// A kubelet that reports no generation may tell of a pull for the image before, after a container that ran and was not recorded.
func TestFaultIsNotThatOfAnEarlierPull(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"), testpods.DropGenerations)
	r.patch("b", map[string]string{"web": "app:b"})
	r.patch("c", map[string]string{"web": "app:c"})
	r.kubelet(run("web", 2, "app:b"), died("web", r.now, 1, ""), waiting("web", "ErrImagePull", "not yet"), testpods.DropGenerations)
	r.patch("d", map[string]string{"web": "app:d"})
	r.expectFault(nil)
	r.kubelet(waiting("web", "ImagePullBackOff", `Back-off pulling image "app:d"`))
	r.expectFault(&inplace.Fault{Container: "web", Reason: "ImagePullBackOff", Message: `Back-off pulling image "app:d"`})
}

// A failed pod has recovered when its container has run for as long as the kubelet had it wait, and is ready.
func TestFaultEndsWithTheRecovery(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("web", 2, "app:b"))
	r.kubelet(crashed("web", r.now, crash{n: 3, backOff: 20 * time.Second, code: 1}))
	r.wait(19 * time.Second)
	if fault, wait := inplace.FaultOf(r.pod, r.seen, 0, r.now); fault == nil || wait != time.Second {
		t.Errorf("got %v, to be asked again in %s", fault, wait)
	}
	r.wait(time.Second)
	r.expectFault(nil)
	r.kubelet(func(pod *corev1.Pod) { testpods.Ready(pod, "web", false, true) })
	if fault, _ := inplace.FaultOf(r.pod, r.seen, 0, r.now); fault == nil {
		t.Error("a container that is not ready has not recovered")
	}
}

// Of a pod that was made at the revision every container is asked, of one that was updated those that the update restarted.
func TestFaultIsAboutContainersThatTheRevisionStarted(t *testing.T) {
	fails := waiting("log", "CreateContainerConfigError", "no such secret")
	want := &inplace.Fault{Container: "log", Reason: "CreateContainerConfigError", Message: "no such secret"}
	made := begin(t, testpods.Container("web", "app:b"), testpods.Container("log", "log:1"), fails)
	made.expectFault(want)
	updated := drained(t, testpods.Container("web", "app:a"), testpods.Container("log", "log:1"))
	updated.patch("b", map[string]string{"web": "app:b"})
	updated.kubelet(testpods.Observe, run("web", 2, "app:b"), fails)
	updated.expectFault(nil)
}

// What was wrong at the revision before is not the fault of one that changes labels alone.
func TestFaultIsNotThatOfLabels(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("web", 2, "app:b"))
	r.serve()
	r.kubelet(died("web", r.now, 1, ""))
	r.expectFault(&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: new(int32(1)), Message: "Error"})
	r.patch("c", nil)
	r.expectFault(nil)
}

func TestFaultOfAPodThatIsLate(t *testing.T) {
	at, patience := testpods.Start(), 10*time.Minute
	web := testpods.Container("web", "app:b")
	unready := testpods.Condition(corev1.PodReady, corev1.ConditionFalse, at.Add(5*time.Minute))
	tests := map[string]struct {
		pod    *corev1.Pod
		after  time.Duration
		failed bool
		wait   time.Duration
	}{
		"it is ready":              {testpods.New("a", web, testpods.Serving()), time.Hour, false, 0},
		"it is not late yet":       {testpods.New("a", web), 9 * time.Minute, false, time.Minute},
		"it is late":               {testpods.New("a", web), 10 * time.Minute, true, 0},
		"it was ready in between":  {testpods.New("a", web, unready), 14 * time.Minute, false, time.Minute},
		"it is late all the same":  {testpods.New("a", web, unready), 15 * time.Minute, true, 0},
		"its node's clock is fast": {testpods.New("a", web, testpods.Condition(corev1.PodReady, corev1.ConditionFalse, at.Add(time.Hour))), 10 * time.Minute, true, 0},
		"no node has it":           {testpods.New("a", web, func(pod *corev1.Pod) { pod.Spec.NodeName = "" }), time.Hour, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fault, wait := inplace.FaultOf(tt.pod, nil, patience, at.Add(tt.after))
			if (fault != nil) != tt.failed || wait != tt.wait {
				t.Errorf("got %v, to be asked again in %s", fault, wait)
			}
		})
	}
	if fault, _ := inplace.FaultOf(testpods.New("a", web), nil, 0, at.Add(time.Hour)); fault != nil {
		t.Errorf("got %s, and there is no end to the patience", fault)
	}
}

func TestFaultIsForPeople(t *testing.T) {
	code := int32(137)
	tests := map[string]inplace.Fault{
		"NotReady: not ready for 10m0s":                             {Reason: "NotReady", Message: "not ready for 10m0s"},
		"container web: CrashLoopBackOff, exit code 137: OOMKilled": {Container: "web", Reason: "CrashLoopBackOff", ExitCode: &code, Message: "OOMKilled"},
	}
	for want, fault := range tests {
		if got := fault.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r := drained(t, testpods.Container("web", "app:a"))
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe)
	r.kubelet(run("web", 2, "app:b"))
	r.kubelet(died("web", r.now, 1, strings.Repeat("long ", 100)))
	if fault, _ := inplace.FaultOf(r.pod, r.seen, 0, r.now); len(fault.Message) != 256 || !strings.HasSuffix(fault.Message, "...") {
		t.Errorf("got a message of %d bytes: %s", len(fault.Message), fault.Message)
	}
}

// The first end of a native sidecar is forgiven, too: its status tells of that until it runs again, as of one that does not.
func TestFirstEndOfASidecarIsForgiven(t *testing.T) {
	r := begin(t, testpods.Container("web", "app:b"), testpods.Sidecar("proxy", "proxy:1"))
	r.kubelet(ended("proxy"))
	r.expectFault(nil)
	r.kubelet(func(pod *corev1.Pod) {
		status := testpods.Status(pod, "proxy")
		status.State.Terminated.ExitCode = 1
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{FinishedAt: metav1.NewTime(r.now)}
	})
	r.expectFault(&inplace.Fault{Container: "proxy", Reason: "CrashLoopBackOff", ExitCode: new(int32(1)), Message: "Completed"})
}

// The container of an image that was asked for in between may never be seen. Its end is that of an update, not a crash.
func TestEndOfAContainerThatWasNeverSeenIsNoCrash(t *testing.T) {
	play := func(timed bool) *rollout {
		r := drained(t, testpods.Container("web", "app:a"))
		r.patch("b", map[string]string{"web": "app:b"})
		r.wait(4 * time.Second)
		r.timed = timed
		r.patch("c", map[string]string{"web": "app:c"})
		began := r.now
		r.wait(2 * time.Second)
		r.kubelet(testpods.Observe, run("web", 2, "app:b"), run("web", 3, "app:c"), func(pod *corev1.Pod) {
			status := testpods.Status(pod, "web")
			status.LastTerminationState.Terminated.StartedAt = metav1.NewTime(began)
			status.LastTerminationState.Terminated.FinishedAt = metav1.NewTime(began.Add(time.Second))
			status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 1, ContainerID: status.ContainerID, StartedAt: metav1.NewTime(began.Add(time.Second)), FinishedAt: metav1.NewTime(r.now),
			}}
			status.Ready = false
		})
		return r
	}
	r := play(true)
	r.expectFault(nil)
	r.kubelet(func(pod *corev1.Pod) {
		status := testpods.Status(pod, "web")
		status.LastTerminationState = status.State
		status.State.Terminated = nil
		waiting("web", "CrashLoopBackOff", "back-off 10s")(pod)
	})
	r.expectFault(&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: new(int32(1))})
	// Without that time nobody knows whose end it was.
	play(false).expectFault(&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: new(int32(1))})
}

// Where the container that ran was seen, one that has ended since is the revision's, however soon it was started.
func TestCrashInTheSecondOfThePatchCounts(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.timed = true
	r.patch("b", map[string]string{"web": "app:b"})
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.kubelet(crashed("web", r.now.Add(10*time.Second), crash{n: 3, backOff: 10 * time.Second, code: 1}), func(pod *corev1.Pod) {
		testpods.Status(pod, "web").LastTerminationState.Terminated.StartedAt = metav1.NewTime(r.now)
	})
	r.wait(11 * time.Second)
	r.expectFault(&inplace.Fault{Container: "web", Reason: "CrashLoopBackOff", ExitCode: new(int32(1)), Message: "Error"})
}

// A container that ran until it was restarted for its resources, and cannot be made again, is the revision's; one that waits to
// be started after it ended by itself is not.
func TestFaultOfAContainerThatIsRestartedForItsResources(t *testing.T) {
	tests := map[string]struct {
		reason string
		want   *inplace.Fault
	}{
		"it cannot be made": {"CreateContainerConfigError", &inplace.Fault{
			Container: "web", Reason: "CreateContainerConfigError", Message: "no such secret",
		}},
		"it had ended by itself": {"CrashLoopBackOff", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := begin(t, testpods.Container("web", "app:b"), testpods.Drained(testpods.Start()))
			r.pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: `{"version":1,"generation":1,"records":[` +
				`{"name":"web","image":"app:b","containerID":"` + testpods.Status(r.pod, "web").ContainerID + `","done":true}]}`}
			r.kubelet(testpods.Observe, waiting("web", tt.reason, "no such secret"))
			r.expectFault(tt.want)
		})
	}
}

// What goes on at the same revision began when it was first patched to it.
func TestTimeOfTheFirstPatchIsKept(t *testing.T) {
	r := drained(t, testpods.Container("web", "app:a"))
	r.timed = true
	r.patch("b", map[string]string{"web": "app:b"})
	r.wait(time.Minute)
	r.goOn()
	r.kubelet(testpods.Observe, run("web", 2, "app:b"))
	r.serve()
	if since := inplace.ReadState(r.pod).Since; since == nil || !since.Time.Equal(testpods.Start()) {
		t.Errorf("got %v, want %v", since, testpods.Start())
	}
}
