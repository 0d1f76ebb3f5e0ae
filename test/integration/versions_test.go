package integration_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/insitu-dev/insitu/test/integration/harness"
)

// TestChartIsForSupportedKubernetes only, also where a provider adds to the version.
func TestChartIsForSupportedKubernetes(t *testing.T) {
	for version, supported := range map[string]bool{
		"v1.32.99": false, "v1.33.0": true, "v1.33.5-eks-1a2b3c4": true, "v1.33.0+k3s1": true, "v1.35.4": true, "v1.40.0": true,
	} {
		command := exec.CommandContext(t.Context(), helmProgram(t), "template", "insitu", harness.File(t, "charts/insitu"),
			"--kube-version", version, "--set", "image.repository=registry.example/insitu")
		out, err := command.CombinedOutput()
		switch {
		case supported && err != nil:
			t.Errorf("Kubernetes %s: %v\n%s", version, err, out)
		case !supported && (err == nil || !strings.Contains(string(out), "incompatible with Kubernetes "+version)):
			t.Errorf("Kubernetes %s is not refused: %v\n%s", version, err, out)
		}
	}
}
