package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// The budget of writes is part of the design: three for an update in place, two for a new pod, and for a recreation its
// deletion and a new pod; beside them two for each node that has to pull images. None of them gets in the way of another.
func TestWritesNoMoreThanNeeded(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3})

	e.change(setImage(imageV2))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})

	e.change(setEnv("fast"))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3 + 3, "patch status": 3 + 2*3 + 3, "patch": 3, "delete": 3})

	e.change(setReplicas(1))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 6, "patch status": 12, "patch": 3, "delete": 3 + 2})
	e.expectNoConflict()
	if pulls := e.rehearsalWrites(); pulls["create"] > 3 || pulls["delete"] != pulls["create"] || len(pulls) != 2 {
		t.Errorf("the pods that pull images on 3 nodes were written %v", pulls)
	}
}

// A restart costs what an update in place does. The digests that are pinned cost a write of the revision for the containers
// that start together: a native sidecar tells its own before the others start.
func TestWritesOfARestart(t *testing.T) {
	e := newEnv(t)
	e.created(3, func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Pin = appsv1beta1.PinDigest
	})
	e.change(func(set *appsv1beta1.CloneSet) {
		set.Spec.Template.Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: "2026-01-01T12:00:00Z"}
	})
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3 + 2*3, "patch": 3})
	e.expectNoConflict()
	written := map[string]int{}
	for _, write := range e.managerWrites("controllerrevisions") {
		written[write.Object.Name+" "+write.Verb]++
	}
	for of, times := range written {
		if most := map[string]int{"create": 1, "patch": 2}[strings.Fields(of)[1]]; times > most {
			t.Errorf("%s: %d times, want %d at most", of, times, most)
		}
	}
	if len(written) != 4 {
		t.Errorf("want two revisions to be made and told their digests: %v", written)
	}
}

// Labels and annotations change with one write and without a drain.
func TestWritesLabelsAtOnce(t *testing.T) {
	e := newEnv(t)
	e.created(3)
	before := e.identities()
	e.change(setLabel("team", "storage"))
	e.untilComplete(app)
	e.expectPodWrites(map[string]int{"create": 3, "patch status": 3, "patch": 3})
	e.expectIdentities(before)
	for _, pod := range e.view.Pods(app) {
		if pod.Labels["team"] != "storage" {
			t.Errorf("pod %s has the labels %v", pod.Name, pod.Labels)
		}
	}
}

// expectPodWrites checks how often the manager wrote pods of the test, by verb. The audit log follows the writes it tells
// of a moment later.
func (e *env) expectPodWrites(want map[string]int) {
	e.Helper()
	wanted := fmt.Sprint(want)
	e.poll(func() (bool, string) {
		got := fmt.Sprint(e.podWrites())
		return got == wanted, "pods were written " + got + ", want " + wanted
	})
}

// podWrites counts the writes of the CloneSet's own pods.
func (e *env) podWrites() map[string]int { return e.writesOf(false) }

// rehearsalWrites counts those of the pods that pull images.
func (e *env) rehearsalWrites() map[string]int { return e.writesOf(true) }

func (e *env) writesOf(rehearsals bool) map[string]int {
	e.Helper()
	counts := map[string]int{}
	for _, write := range e.managerWrites("pods") {
		if strings.Contains(write.Object.Name, "-rehearsal-") == rehearsals {
			counts[kindOf(write)]++
		}
	}
	return counts
}

// kindOf returns the verb of a write and its subresource.
func kindOf(write *framework.Request) string {
	return strings.TrimSpace(write.Verb + " " + write.Object.Subresource)
}

func (e *env) managerWrites(resource string) []*framework.Request {
	e.Helper()
	writes, err := e.cluster.ManagerWrites(e.namespace, resource)
	e.must(err)
	return writes
}

// expectNoConflict checks that none of the manager's writes of the test got in the way of another. A status that is
// written just as the test changes the CloneSet conflicts with that; so each change excuses one.
func (e *env) expectNoConflict() {
	e.Helper()
	excused := e.changes
	for _, resource := range []string{"pods", "clonesets", "controllerrevisions"} {
		for _, write := range e.managerWrites(resource) {
			switch {
			case write.Response.Code != http.StatusConflict:
			case resource == "clonesets" && excused > 0:
				excused--
			default:
				e.Errorf("conflict: %s", write)
			}
		}
	}
}
