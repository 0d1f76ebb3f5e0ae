package inplace_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

const restartedAt = "kubectl.kubernetes.io/restartedAt"

func askedAt(at string) func(*corev1.PodTemplateSpec) {
	return func(t *corev1.PodTemplateSpec) {
		if delete(t.Annotations, restartedAt); at != "" {
			t.Annotations[restartedAt] = at
		}
	}
}

func TestWhatAsksForARestart(t *testing.T) {
	const noon, later = "2026-01-01T12:00:00Z", "2026-01-01T12:30:00Z"
	for name, tt := range map[string]struct {
		before, after string
		want          bool
	}{
		"the first time":                  {"", noon, true},
		"a later time":                    {noon, later, true},
		"the same time":                   {noon, noon, false},
		"no time any more":                {noon, "", false},
		"an earlier time":                 {later, noon, false},
		"a later time in another zone":    {noon, "2026-01-01T13:15:00+01:00", true},
		"an earlier time in another zone": {later, "2026-01-01T13:15:00+01:00", false},
		"another word":                    {"one", "two", true},
		"a word instead of a time":        {noon, "now", true},
	} {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(edited(askedAt(tt.before)), edited(askedAt(tt.after)))
			if change.Restart != tt.want || change.Restarts() != tt.want || !change.InPlace() {
				t.Errorf("got %+v", change)
			}
		})
	}
}

// All that runs is restarted: containers and native sidecars, and no ordinary init container. What has a new image gets that.
func TestARestartIsOfAllContainers(t *testing.T) {
	change := inplace.Compare(template(), edited(askedAt("now"), func(t *corev1.PodTemplateSpec) { t.Spec.Containers[1].Image = "log:2" }))
	want := []inplace.Image{
		{Container: "proxy", Image: "proxy:1", Init: true, Restarts: true, Again: true},
		{Container: "web", Image: "web:1", Restarts: true, Again: true},
		{Container: "log", Image: "log:2", Restarts: true},
	}
	if diff := cmp.Diff(want, change.Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestWhatAContainerWasSeenToRun(t *testing.T) {
	digest := inplace.Digest(testpods.ImageID("web:1"))
	imageID := func(id string) testpods.Option {
		return func(pod *corev1.Pod) { testpods.Status(pod, "web").ImageID = id }
	}
	for name, tt := range map[string]struct {
		option   testpods.Option
		progress inplace.Progress
		want     inplace.Running
	}{
		"an image of a registry": {want: inplace.Running{Asked: "web:1", Digest: digest, Registry: digest}},
		"one that was loaded":    {option: imageID(one), want: inplace.Running{Asked: "web:1", Digest: one}},
		"one that is not told":   {option: imageID(""), want: inplace.Running{Asked: "web:1"}},
		"one that was never started": {
			option: func(pod *corev1.Pod) { testpods.Status(pod, "web").ContainerID = "" }, want: inplace.Running{Asked: "web:1"},
		},
		"one from before a patch": {progress: inplace.Progress{Unconfirmed: []string{"web"}}, want: inplace.Running{Asked: "web:1"}},
		"one that is to be patched": {
			progress: inplace.Progress{Pending: []string{"web"}}, want: inplace.Running{Asked: "web:1"},
		},
		"one that the pod asks for by its digest": {
			option:   func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "web@" + two },
			progress: inplace.Progress{Unconfirmed: []string{"web"}},
			want:     inplace.Running{Asked: "web@" + two, Registry: two},
		},
		"none, since the pod lacks it": {option: func(pod *corev1.Pod) { pod.Spec.Containers[0].Name = "other" }},
	} {
		t.Run(name, func(t *testing.T) {
			pod := testpods.New("web-0", testpods.Container("web", "web:1"))
			if tt.option != nil {
				tt.option(pod)
			}
			if diff := cmp.Diff(tt.want, inplace.Runs(pod, &tt.progress, "web")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhichContainerCanBeNoneFromBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		option testpods.Option
		want   bool
	}{
		"of a pod that was never patched":   {testpods.Generation(1), true},
		"of a pod that has lost its state":  {testpods.Generation(2), false},
		"of another digest than before":     {recorded("cri://web-0", testpods.ImageID("web:0")), true},
		"of the same digest":                {recorded("cri://web-0", testpods.ImageID("web:1")), false},
		"the one from before":               {recorded("cri://web-1", testpods.ImageID("web:0")), false},
		"where nothing is told from before": {recorded("", ""), false},
	} {
		pod := testpods.New("web-0", testpods.Container("web", "web:1"), tt.option)
		if got := inplace.IsNew(pod, "web"); got != tt.want {
			t.Errorf("a container %s: %t", name, got)
		}
	}
}

// recorded has the state of the pod tell what its container ran before.
func recorded(containerID, imageID string) testpods.Option {
	return func(pod *corev1.Pod) {
		pod.Annotations = map[string]string{"apps.insitu.dev/inplace-state": fmt.Sprintf(
			`{"version":1,"revision":"b","generation":1,"records":[{"name":"web","image":"web:0","containerID":%q,"imageID":%q}]}`,
			containerID, imageID)}
	}
}

// A container that waits for another one of its pod is restarted later with the image that was chosen at first, though it is
// not the one in the template, and one that was patched is not set back to the tag alone.
func TestWhatWasChosenIsKeptUntilTheEnd(t *testing.T) {
	chosen := "log:1@" + one
	pod := testpods.New("web-0", testpods.Container("web", "web:1"), testpods.Container("log", "log:1"), testpods.Drained(testpods.Start()))
	target := inplace.Target{Revision: "b", Template: edited(), Rules: inplace.Rules{"web": {Priority: 1}}}
	change := inplace.Change{Images: []inplace.Image{
		{Container: "web", Image: "web@" + two, Restarts: true, Again: true}, {Container: "log", Image: chosen, Restarts: true, Again: true},
	}}
	apply := func(change inplace.Change, progress inplace.Progress) {
		t.Helper()
		patched, err := testpods.Patched(pod, inplace.UpdatePatch(pod, target, change, progress))
		if err != nil {
			t.Fatal(err)
		}
		pod = patched
	}
	apply(change, inplace.Progress{})
	if got := pod.Spec.Containers[1].Image; got != "log:1" {
		t.Fatalf("the container that waits asks for %s already", got)
	}
	target.Revision = "c" // Labels have changed, and nothing else.
	apply(inplace.Change{}, inplace.Progress{Unconfirmed: []string{"web"}, Pending: []string{"log"}})
	if got := pod.Spec.Containers[0].Image; got != "web@"+two {
		t.Errorf("what is restarting was set to %s", got)
	}
	apply(inplace.Change{}, inplace.Progress{Pending: []string{"log"}})
	if got := pod.Spec.Containers[1].Image; got != chosen {
		t.Errorf("the container that waited is restarted with %s, want %s", got, chosen)
	}
	state := inplace.ReadState(pod)
	if state == nil || len(state.Images) > 0 || len(state.Pending) > 0 {
		t.Errorf("the state is %+v", state)
	}
}
