package inplace_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// rollout plays the update of one pod: patches by the controller, statuses by the kubelet, and what a process sees.
type rollout struct {
	t       *testing.T
	pod     *corev1.Pod
	seen    *inplace.Sighting
	now     time.Time
	known   map[string][]string
	current map[string]string
	// revision is the last one that the pod was patched to, and rules are those of its containers.
	revision string
	rules    inplace.Rules
	// timed has patches keep when they are made.
	timed bool
	// old has the API server keep no generations.
	old bool
}

// drained returns the rollout of a pod that is out of service, with one image for each container.
func drained(t *testing.T, options ...testpods.Option) *rollout {
	t.Helper()
	return begin(t, append(options, testpods.Drained(testpods.Start()))...)
}

// serving returns the rollout of a pod that is in service.
func serving(t *testing.T, options ...testpods.Option) *rollout {
	t.Helper()
	return begin(t, append(options, testpods.Serving())...)
}

func begin(t *testing.T, options ...testpods.Option) *rollout {
	t.Helper()
	r := &rollout{
		t: t, pod: testpods.New("web-a", options...), now: testpods.Start(),
		known: map[string][]string{}, current: map[string]string{},
	}
	for _, c := range slices.Concat(r.pod.Spec.InitContainers, r.pod.Spec.Containers) {
		r.current[c.Name] = c.Image
	}
	return r
}

// template returns one with some images in the containers of the pod.
func (r *rollout) template(images map[string]string) *corev1.PodTemplateSpec {
	t := &corev1.PodTemplateSpec{Spec: *r.pod.Spec.DeepCopy()}
	for _, list := range [][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for i := range list {
			list[i].Image = images[list[i].Name]
		}
	}
	return t
}

// patch brings the pod to other images as the controller would, and has the process see the result.
func (r *rollout) patch(revision string, images map[string]string) {
	r.t.Helper()
	wanted := map[string]string{}
	maps.Copy(wanted, r.current)
	maps.Copy(wanted, images)
	target := inplace.Target{Revision: revision, Template: r.template(wanted), Rules: r.rules}
	if r.timed {
		target.At = r.now
	}
	change := inplace.Compare(r.template(r.current), target.Template)
	r.current, r.revision = wanted, revision
	r.apply(inplace.UpdatePatch(r.pod, target, change, r.progress()))
}

// goOn patches the pod to the revision that it is at already.
func (r *rollout) goOn() {
	r.t.Helper()
	r.patch(r.revision, nil)
}

func (r *rollout) drain() { r.apply(inplace.DrainPatch(r.pod, "for a test", "", r.now)) }
func (r *rollout) serve() { r.apply(inplace.ServePatch(r.pod, r.now)) }

// apply has the API server take a patch, and the process see the result.
func (r *rollout) apply(patch []byte) {
	r.t.Helper()
	patched, err := testpods.Patched(r.pod, patch)
	if err != nil {
		r.t.Fatal(err)
	}
	r.pod = patched
	r.kubelet()
}

// kubelet changes the status, which the process sees.
func (r *rollout) kubelet(changes ...func(*corev1.Pod)) {
	r.pod = r.pod.DeepCopy()
	for _, change := range changes {
		change(r.pod)
	}
	if r.old {
		testpods.DropGenerations(r.pod)
	}
	r.see()
}

func (r *rollout) see() { r.seen = r.seen.See(r.pod, r.now) }

// restartProcess has a new process take over: it knows what the API holds, no more.
func (r *rollout) restartProcess() {
	r.seen = nil
	r.see()
}

// learn has an image be seen on another pod whose gate is on.
func (r *rollout) learn(image string) {
	r.known[image] = append(r.known[image], inplace.Digest(testpods.ImageID(image)))
}

func (r *rollout) progress() inplace.Progress {
	return inplace.ProgressOf(r.pod, r.seen, func(image string) []string { return r.known[image] }, r.now)
}

// expect fails the test unless the pod is so far. After the phase come the containers that are not confirmed.
func (r *rollout) expect(phase inplace.Phase, unconfirmed ...string) {
	r.t.Helper()
	got := r.progress()
	if got.Phase != phase {
		r.t.Fatalf("got phase %s (unconfirmed %v), want %s", got.Phase, got.Unconfirmed, phase)
	}
	if diff := cmp.Diff(unconfirmed, got.Unconfirmed); diff != "" {
		r.t.Fatalf("unconfirmed (-want +got):\n%s", diff)
	}
}

// expectPending fails the test unless these containers are still to be patched, and may be now or not.
func (r *rollout) expectPending(mayGoOn bool, pending ...string) {
	r.t.Helper()
	got := r.progress()
	if diff := cmp.Diff(pending, got.Pending); diff != "" {
		r.t.Fatalf("pending (-want +got):\n%s", diff)
	}
	if got.MayGoOn() != mayGoOn {
		r.t.Fatalf("may go on: got %t, want %t (unconfirmed %v, unready %v)", got.MayGoOn(), mayGoOn, got.Unconfirmed, got.Unready)
	}
}

// expectImages fails the test unless the pod asks for these images.
func (r *rollout) expectImages(images map[string]string) {
	r.t.Helper()
	got := map[string]string{}
	for _, c := range slices.Concat(r.pod.Spec.InitContainers, r.pod.Spec.Containers) {
		got[c.Name] = c.Image
	}
	if diff := cmp.Diff(images, got); diff != "" {
		r.t.Fatalf("images (-want +got):\n%s", diff)
	}
}

// wait lets time pass with nothing happening.
func (r *rollout) wait(d time.Duration) { r.now = r.now.Add(d) }

func run(name string, n int, image string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { testpods.Run(pod, name, n, image) }
}

func waiting(name, reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { testpods.Wait(pod, name, reason, message) }
}

func observe(generation int64) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Status.ObservedGeneration = generation }
}

func ready(name string, ready, started bool) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { testpods.Ready(pod, name, ready, started) }
}
