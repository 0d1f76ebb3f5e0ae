package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// wanted are the images that the pod of a drive is to have.
func (d *drive) wanted() (web, log string) {
	containers := d.in.Revisions.Update.Template.Spec.Containers
	return containers[0].Image, containers[1].Image
}

func TestRolloutsOfOnePod(t *testing.T) {
	everywhere(t, 1, func(t *testing.T, d *drive, _ int) {
		d.run()
		d.expect(d.wanted())
		writes := d.writes
		d.newer("web-c", "web:c", "log:c") // The second one: what the first left on the pod must not confuse it.
		d.run()
		d.expect("web:c", "log:c")
		d.newer(revisionA, "web:a", "log:a")
		d.run()
		d.expect("web:a", "log:a")
		if most := 3*writes + 2; d.writes > most {
			t.Errorf("got %d writes for three updates, the first of which took %d", d.writes, writes)
		}
	})
}

func TestWritesOfOneUpdate(t *testing.T) {
	want := map[string]int{"drained": 3, "in batches": 4, "in service": 2}
	for name, start := range ways() {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, old cluster %t", name, old), func(t *testing.T) {
				d := start(t)
				d.old = old
				d.run()
				if d.writes != want[name] {
					t.Errorf("got %d writes, want %d", d.writes, want[name])
				}
			})
		}
	}
}

// Whatever becomes of the state's annotation, and whenever, the pod comes to rest in service.
func TestBrokenStateStallsNothing(t *testing.T) {
	states := map[string]string{
		"missing":               "",
		"not JSON":              "{",
		"of a later version":    `{"version":9,"pending":["web"],"records":[{"name":"web"}]}`,
		"empty":                 `{"version":1}`,
		"far ahead":             `{"version":1,"generation":9007199254740991,"inService":true,"records":[{"name":"web"}],"pending":["web"]}`,
		"of names nobody has":   `{"version":1,"generation":2,"inService":true,"records":[{"name":""},{"name":"x"}],"pending":["","x"]}`,
		"of another pod":        `{"version":1,"generation":2,"records":[{"name":"web","image":"x","containerID":"cri://other"}],"pending":["log"]}`,
		"of an update not made": `{"version":1,"generation":1,"inService":true,"records":[{"name":"log"}],"pending":["web","log","web"]}`,
		"huge": `{"version":1,"generation":2,"records":[` +
			strings.Repeat(`{"name":"web","image":"x"},`, 1000) + `{"name":"web","image":"y"}]}`,
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 8, func(_ *testing.T, d *drive, at int) {
				d.meddle = func(d *drive, step int) {
					if step != at {
						return
					}
					d.pod = d.pod.DeepCopy()
					d.pod.Annotations = map[string]string{appsv1beta1.InPlaceStateAnnotation: state}
					if state == "" {
						d.pod.Annotations = nil
					}
					d.see()
				}
				d.run()
				d.meddle = nil
				d.newer("web-c", "web:c", "log:c")
				d.run()
				d.expect("web:c", "log:c") // And the next update finds nothing in its way.
				if size := len(d.pod.Annotations[appsv1beta1.InPlaceStateAnnotation]); size > 4000 {
					t.Errorf("the annotation still has %d bytes", size)
				}
			})
		})
	}
}

// A clock that jumps, ours or those of the nodes, makes no wait longer than it is.
func TestClockThatJumpsStallsNothing(t *testing.T) {
	for _, jump := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			everywhere(t, 8, func(_ *testing.T, d *drive, at int) {
				d.meddle = func(d *drive, step int) {
					if step == at {
						d.in.Now = d.in.Now.Add(jump)
					}
				}
				d.run()
				d.expect(d.wanted())
			})
		})
	}
}

// A process may end after any write; the next one knows what the pod tells.
func TestNewProcessAtAnyStep(t *testing.T) {
	everywhere(t, 8, func(_ *testing.T, d *drive, at int) {
		d.meddle = func(d *drive, step int) {
			if step == at {
				clear(d.in.Sightings)
				d.see()
			}
		}
		d.run()
		d.expect(d.wanted())
	})
}

// A hundred edits in a row, one at every step.
func TestHundredEdits(t *testing.T) {
	everywhere(t, 1, func(t *testing.T, d *drive, _ int) {
		for i := range 100 {
			d.newer(fmt.Sprintf("web-%d", i), fmt.Sprintf("web:%d", i%3), fmt.Sprintf("log:%d", i))
			d.pass()
			if i%2 == 0 {
				d.kubelet()
			}
		}
		d.run()
		d.expect("web:0", "log:99")
		if size := len(d.pod.Annotations[appsv1beta1.InPlaceStateAnnotation]); size > 4000 {
			t.Errorf("the annotation has %d bytes", size)
		}
	})
}
