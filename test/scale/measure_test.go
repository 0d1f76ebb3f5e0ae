package scale

import (
	"fmt"
	"time"
)

const mebibyte = 1 << 20

// measurement is what the update of one workload cost.
type measurement struct {
	Kind string `json:"kind"`
	Pods int    `json:"pods"`
	// SamePods counts the pods that the update kept.
	SamePods int `json:"samePods"`
	// Seconds passed from the change of the template until all pods were updated and available.
	Seconds float64 `json:"seconds"`
	// CPUPerPod is the CPU time in milliseconds that each process used meanwhile, divided by the number of pods. That of
	// the manager and of the controller manager is all that they did, not only for this workload.
	CPUPerPod map[string]float64 `json:"cpuMillisecondsPerPod"`
	// PeakMiB is the most memory that the manager ever had; 0 where there is none.
	PeakMiB float64 `json:"peakMiB,omitempty"`
	// Rehearsals counts the writes of pods that pull images.
	Rehearsals int `json:"rehearsalWrites"`
	// The following are requests of the workload's controller for each pod. Reads are not counted.
	PodWrites    float64 `json:"podWritesPerPod"`
	StatusWrites float64 `json:"statusWritesPerPod"`
	EventWrites  float64 `json:"eventWritesPerPod"`
	OtherWrites  float64 `json:"otherWritesPerPod"`
	// AllWrites are those of all clients: of kubelets, of the scheduler and of other controllers, too.
	AllWrites float64 `json:"allWritesPerPod"`
	// Conflicts counts the requests of the workload's controller that were answered with 409, for all pods.
	Conflicts int `json:"conflicts"`
}

// meter measures one update.
type meter struct {
	trial  *trial
	log    *auditLog
	before map[string]time.Duration
	start  time.Time
}

// startMeter begins to measure.
func startMeter(t *trial) (*meter, error) {
	log, err := auditFromNow(t.cluster)
	if err != nil {
		return nil, err
	}
	before, err := t.processes.cpuTimes()
	return &meter{trial: t, log: log, before: before, start: time.Now()}, err
}

// stop ends the measurement.
func (m *meter) stop(pods int) (measurement, error) {
	elapsed := time.Since(m.start)
	result := measurement{Kind: m.trial.name, Pods: pods, Seconds: elapsed.Seconds(), CPUPerPod: map[string]float64{}}
	after, err := m.trial.processes.cpuTimes()
	if err != nil {
		return result, err
	}
	for name, used := range after {
		result.CPUPerPod[name] = float64((used - m.before[name]).Microseconds()) / 1000 / float64(pods)
	}
	if pid, runs := m.trial.processes[m.trial.component]; runs && m.trial.component == cloneSet.component {
		peak, err := peakMemory(pid)
		if err != nil {
			return result, fmt.Errorf("peak memory: %w", err)
		}
		result.PeakMiB = float64(peak) / mebibyte
	}
	counted, err := m.log.count(m.trial.namespace, m.trial.isController)
	result.addWrites(&counted)
	return result, err
}

func (m *measurement) addWrites(w *writes) {
	perPod := func(n int) float64 { return float64(n) / float64(m.Pods) }
	m.PodWrites, m.StatusWrites, m.EventWrites = perPod(w.Pods), perPod(w.Status), perPod(w.Events)
	m.Rehearsals = w.Rehearsals
	m.OtherWrites, m.AllWrites, m.Conflicts = perPod(w.Others), perPod(w.Everybody), w.Conflicts
}
