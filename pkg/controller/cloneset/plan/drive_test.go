package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// drive plays the rollout of one pod to its end: in every step a pass of the planner, whose patches are performed, and
// then a kubelet that does all that the pod asks for. A step takes ten seconds.
type drive struct {
	t   *testing.T
	in  Input
	pod *corev1.Pod
	// old has the API server keep no generations.
	old bool
	// meddle is done to the pod, or to the time, before the pass of a step.
	meddle func(d *drive, step int)

	running map[string]string
	started int
	writes  int
}

// maxSteps is how many steps a rollout may take: each container may have to be waited out twice, in two revisions.
const maxSteps = 40

func newDrive(t *testing.T, web, log string, edits ...edit) *drive {
	t.Helper()
	p := pairsTo(t, web, log, edits...)
	p.set.Spec.Replicas = new(int32(1))
	d := &drive{t: t, in: p.in, pod: p.in.Pods[0], running: map[string]string{"web": "web:a", "log": "log:a"}, started: 1}
	d.in.Sightings = map[types.UID]*inplace.Sighting{}
	return d
}

// run drives until nothing is left to be done, and fails the test if that does not come.
func (d *drive) run() {
	d.t.Helper()
	idle := 0
	for step := 0; idle < 5; step++ {
		if step == maxSteps {
			d.t.Fatalf("nothing comes of it: %+v\n%+v", d.progress(), d.pod.Annotations)
		}
		if d.meddle != nil {
			d.meddle(d, step)
		}
		if d.pass() == 0 && inplace.IsReady(d.pod) && d.progress().Phase == inplace.PhaseInService {
			idle++
		}
		d.kubelet()
		d.in.Now = d.in.Now.Add(10 * time.Second)
	}
}

func (d *drive) progress() inplace.Progress {
	return inplace.ProgressOf(d.pod, d.in.Sightings[d.pod.UID], func(string) []string { return nil }, d.in.Now)
}

// pass has the planner look at the pod, and performs what it says.
func (d *drive) pass() int {
	d.t.Helper()
	gate := inplace.Condition(d.pod, appsv1beta1.InPlaceUpdateReady)
	drained := gate.Status == corev1.ConditionFalse && inplace.IsDrained(d.pod, false)
	d.in.Pods, d.in.Sightings[d.pod.UID] = []*corev1.Pod{d.pod}, d.in.Sightings[d.pod.UID].SeeDrained(drained, true, d.in.Now)
	planned := Compute(d.in)
	for _, a := range planned.Actions {
		if a.Verb != VerbPatch && a.Verb != VerbPatchStatus {
			d.t.Fatalf("planned %s", &a)
		}
		d.pod = apply(d.t, d.pod, a.Patch)
		d.writes++
		d.see()
	}
	return len(planned.Actions)
}

// kubelet sees what the pod asks for, starts what is new, and tells whether the pod is ready.
func (d *drive) kubelet() {
	d.pod = d.pod.DeepCopy()
	testpods.Observe(d.pod)
	d.see()
	d.pod = d.pod.DeepCopy()
	for _, c := range d.pod.Spec.Containers {
		if d.running[c.Name] != c.Image {
			d.started++
			testpods.Run(d.pod, c.Name, d.started, c.Image)
			d.running[c.Name] = c.Image
		}
	}
	gate := inplace.Condition(d.pod, appsv1beta1.InPlaceUpdateReady).Status
	if ready := inplace.Condition(d.pod, corev1.PodReady); ready.Status != gate {
		testpods.Condition(corev1.PodReady, gate, d.in.Now)(d.pod)
	}
	d.see()
}

// see has the process see the pod as an API server keeps it.
func (d *drive) see() {
	if d.old {
		testpods.DropGenerations(d.pod)
	}
	if inplace.IsReady(d.pod) && !inplace.IsOpen(d.pod) {
		delete(d.in.Sightings, d.pod.UID)
		return
	}
	d.in.Sightings[d.pod.UID] = d.in.Sightings[d.pod.UID].See(d.pod, d.in.Now)
}

// expect fails the test unless the pod runs these images at the update revision.
func (d *drive) expect(web, log string) {
	d.t.Helper()
	got := []string{d.running["web"], d.running["log"], d.pod.Labels[appsv1beta1.RevisionLabel]}
	if want := []string{web, log, d.in.Revisions.Update.Name}; !slices.Equal(got, want) {
		d.t.Fatalf("got %v, want %v", got, want)
	}
}

// newer has the template change once more.
func (d *drive) newer(revision, web, log string) {
	d.in.Revisions.Templates[revision] = pair(web, log)
	d.in.Revisions.Update = Revision{Name: revision, Template: d.in.Revisions.Templates[revision]}
}

// ways are the ways in which a pod is updated.
func ways() map[string]func(*testing.T) *drive {
	return map[string]func(*testing.T) *drive{
		"drained":    func(t *testing.T) *drive { return newDrive(t, "web:b", "log:b") },
		"in batches": func(t *testing.T) *drive { return newDrive(t, "web:b", "log:b", webFirst) },
		"in service": func(t *testing.T) *drive { return newDrive(t, "web:a", "log:b", logInPlace) },
	}
}

// everywhere runs a test for every way of updating a pod, on old clusters and on new ones, and for each of some steps.
func everywhere(t *testing.T, steps int, test func(t *testing.T, d *drive, at int)) {
	t.Helper()
	for name, start := range ways() {
		for _, old := range []bool{false, true} {
			for at := range steps {
				t.Run(fmt.Sprintf("%s, old cluster %t, step %d", name, old, at), func(t *testing.T) {
					d := start(t)
					d.old = old
					test(t, d, at)
				})
			}
		}
	}
}
