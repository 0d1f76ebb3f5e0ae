package cloneset

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
)

const (
	// namesPerEvent is how many pods an event names.
	namesPerEvent = 5
	// maxNote is how long the text of an event may be, in bytes.
	maxNote = 1000
)

// deed is what the same kind of action for the same reason did in one pass. It makes one event.
type deed struct {
	kind         plan.Kind
	why          string
	warns, fails bool
}

// record tells users what was done in one pass: an event for each kind of action and reason, not for each pod.
func record(recorder events.EventRecorder, set *appsv1beta1.CloneSet, results []apply.Result) {
	names := map[deed][]string{}
	var order []deed
	for i := range results {
		d, notable := deedOf(&results[i])
		if !notable {
			continue
		}
		if names[d] == nil {
			order = append(order, d)
		}
		names[d] = append(names[d], results[i].Name())
	}
	for _, d := range order {
		kind := corev1.EventTypeNormal
		if d.fails || d.warns {
			kind = corev1.EventTypeWarning
		}
		recorder.Eventf(set, nil, kind, d.reason(), string(d.kind), "%s", note(names[d], d.why))
	}
}

func deedOf(result *apply.Result) (deed, bool) {
	if result.Err == nil {
		return deed{kind: result.Kind, why: result.Why, warns: result.Warns}, result.Notable()
	}
	return deed{kind: result.Kind, why: result.Err.Error(), fails: true}, !isExpected(result.Err)
}

func (d deed) reason() string {
	if d.fails {
		return "Failed" + string(d.kind)
	}
	return string(d.kind)
}

func note(names []string, why string) string {
	text := strings.Join(names[:min(len(names), namesPerEvent)], ", ")
	if more := len(names) - namesPerEvent; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return shortened(text + ": " + why)
}

// shortened returns as much of a text as an event takes.
func shortened(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxNote)], "") }
