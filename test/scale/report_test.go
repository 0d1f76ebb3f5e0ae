package scale

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// report is what all updates of one run cost.
type report []measurement

// of returns the measurement of a kind and a number of pods, or nil.
func (r report) of(k kind, pods int) *measurement {
	for i := range r {
		if r[i].Kind == k.name && r[i].Pods == pods {
			return &r[i]
		}
	}
	return nil
}

func (r report) write(path string) error {
	data, err := json.MarshalIndent(map[string]any{"rollouts": r}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func (r report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, line := range []struct {
		title string
		value func(*measurement) string
	}{
		{"", func(m *measurement) string { return m.Kind }},
		{"pods", func(m *measurement) string { return fmt.Sprint(m.Pods) }},
		{"still the same pods (UID)", func(m *measurement) string { return fmt.Sprint(m.SamePods) }},
		{"seconds", func(m *measurement) string { return fmt.Sprintf("%.1f", m.Seconds) }},
		{"manager's peak memory, MiB", func(m *measurement) string { return optional(m.PeakMiB) }},
		{"CPU ms a pod: manager", cpuOf("insitu")},
		{"kube-controller-manager", cpuOf("kube-controller-manager")},
		{"kube-apiserver", cpuOf("kube-apiserver")},
		{"etcd", cpuOf("etcd")},
		{"kube-scheduler", cpuOf("kube-scheduler")},
		{"its controller's writes a pod: pods", func(m *measurement) string { return fmt.Sprintf("%.3f", m.PodWrites) }},
		{"status of owners", func(m *measurement) string { return fmt.Sprintf("%.3f", m.StatusWrites) }},
		{"events", func(m *measurement) string { return fmt.Sprintf("%.3f", m.EventWrites) }},
		{"others", func(m *measurement) string { return fmt.Sprintf("%.3f", m.OtherWrites) }},
		{"its conflicts (409)", func(m *measurement) string { return fmt.Sprint(m.Conflicts) }},
		{"everybody's writes a pod", func(m *measurement) string { return fmt.Sprintf("%.1f", m.AllWrites) }},
	} {
		fmt.Fprintf(w, "%s\t", line.title)
		for i := range r {
			fmt.Fprintf(w, "%s\t", line.value(&r[i]))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	fmt.Fprint(out, explanation)
}

// explanation tells what the table does not.
const explanation = `
The same pods, a Service over all of them, maxUnavailable ` + maxUnavailable + `, no surge, no grace period, 200 ms a restart; kubelets are simulated.
CPU is that of whole processes: kube-controller-manager keeps the Deployment, and for both kinds the EndpointSlices.
`

func cpuOf(process string) func(*measurement) string {
	return func(m *measurement) string { return optional(m.CPUPerPod[process]) }
}

func optional(value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", value)
}
