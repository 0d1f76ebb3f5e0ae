package scenarios_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/insitu-dev/insitu/test/kubelet"
	"github.com/insitu-dev/insitu/test/kubelet/scenarios"
)

// limit is longer than anything takes in a scenario.
const limit = 2 * time.Minute

// model is a stage with a model kubelet.
type model struct {
	world *kubelet.World
	name  string
	seen  uint64
}

func newModel(change func(*kubelet.Options)) *model {
	options := kubelet.Options{Images: scenarios.Model(), Timing: kubelet.MeasuredTiming()}
	change(&options)
	return &model{world: kubelet.NewWorld(kubelet.WorldOptions{Options: options})}
}

func (m *model) Create(pod *corev1.Pod) error {
	m.name = pod.Name
	_, err := m.world.Create(pod)
	return err
}

func (m *model) Patch(patch []byte, subresource string) error {
	_, err := m.world.Patch(m.name, types.StrategicMergePatchType, patch, subresource)
	return err
}

func (m *model) Delete() error {
	_, err := m.world.Delete(m.name, metav1.DeleteOptions{})
	return err
}

func (m *model) Next() (*corev1.Pod, time.Time, error) {
	more := func() bool { return len(m.world.Events(m.seen)) > 0 }
	if !m.world.AdvanceUntil(limit, more) {
		return nil, time.Time{}, errors.New("nothing happens any more")
	}
	event := m.world.Events(m.seen)[0]
	m.seen = event.Seq
	if event.Type == watch.Deleted {
		return nil, event.At, nil
	}
	return event.Pod, event.At, nil
}

// The model shows each state of each scenario, and nothing comes after the last one.
func TestModelShowsTheStatesOfEachScenario(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			stage := newModel(func(*kubelet.Options) {})
			record := s.Run(t, stage)
			record = append(record, stage.rest()...)
			if got := strings.Split(record.String(), "\n"); !slices.Equal(got, s.Shows) {
				t.Errorf("the pod showed\n%s", quoted(got))
			}
		})
	}
}

// A client that misses statuses sees what a scenario allows.
func TestMergedStatesAreThoseThatMayBeMissing(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			for seed := range uint64(20) {
				record := s.Run(t, newModel(func(o *kubelet.Options) {
					o.Seed, o.LateStatus, o.LateStatusBy = seed, 0.5, scenarios.Brief/2
				}))
				if missing := scenarios.Compare(s.Shows, record, true); missing != "" {
					t.Errorf("with the seed %d %s", seed, missing)
				}
			}
		})
	}
}

// rest returns what is left to happen.
func (m *model) rest() scenarios.Record {
	var record scenarios.Record
	for {
		pod, at, err := m.Next()
		if err != nil {
			return record
		}
		record = append(record, scenarios.Entry{At: at, State: scenarios.Describe(pod)})
	}
}

func quoted(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "\t\t\t%q,\n", line)
	}
	return b.String()
}
