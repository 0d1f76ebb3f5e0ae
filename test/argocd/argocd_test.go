package argocd_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/insitu-dev/insitu/test/argocd"
)

// conditions returns a CloneSet of generation 2 that was looked at, with its conditions.
func conditions(progressing, reconciling, stalled, reason string) string {
	return `
metadata: {generation: 2}
status:
  observedGeneration: 2
  updatedReplicas: 0
  conditions:
  - {type: Available, status: "True", reason: MinimumReplicasAvailable, message: 3 of 3 pods are available}
  - {type: Progressing, status: "` + progressing + `", reason: ` + reason + `, message: 0 of 3 pods}
  - {type: Reconciling, status: "` + reconciling + `", reason: AsSpecified, message: ""}
  - {type: Stalled, status: "` + stalled + `", reason: AsSpecified, message: ""}
`
}

func TestHealth(t *testing.T) {
	for name, want := range map[string]struct {
		object, status, message string
	}{
		"has no status":     {`{metadata: {generation: 1}}`, "Progressing", "the newest spec has not been looked at yet"},
		"has a default one": {`{metadata: {generation: 1}, status: {observedGeneration: -1}}`, "Progressing", "the newest spec has not been looked at yet"},
		"has no conditions": {`{metadata: {generation: 1}, status: {observedGeneration: 1}}`, "Progressing", "no condition has been reported yet"},
		"was changed": {
			strings.Replace(conditions("True", "False", "False", "Complete"), "generation: 2", "generation: 3", 1),
			"Progressing", "the newest spec has not been looked at yet",
		},
		"is updated, with none done":    {conditions("True", "True", "False", "Updating"), "Progressing", "Updating: 0 of 3 pods"},
		"has failing pods":              {conditions("True", "True", "False", "PodsFailing"), "Progressing", "PodsFailing: 0 of 3 pods"},
		"cannot create pods":            {conditions("True", "True", "False", "CreateFailed"), "Progressing", "CreateFailed: 0 of 3 pods"},
		"is complete":                   {conditions("True", "False", "False", "Complete"), "Healthy", "Complete: 0 of 3 pods"},
		"is paused":                     {conditions("Unknown", "False", "False", "Paused"), "Suspended", "Paused: 0 of 3 pods"},
		"is paused, and pods come back": {conditions("Unknown", "True", "False", "Paused"), "Progressing", "Paused: 0 of 3 pods"},
		"has reached its partition":     {conditions("True", "False", "False", "PartitionReached"), "Suspended", "PartitionReached: 0 of 3 pods"},
		"waits for pods to be deleted":  {conditions("True", "False", "False", "OnDelete"), "Suspended", "OnDelete: 0 of 3 pods"},
		"cannot be updated in place":    {conditions("False", "False", "True", "InPlaceImpossible"), "Degraded", "InPlaceImpossible: 0 of 3 pods"},
		"is invalid":                    {conditions("False", "False", "True", "InvalidSpec"), "Degraded", "InvalidSpec: 0 of 3 pods"},
		"exceeds its deadline":          {conditions("False", "False", "True", "ProgressDeadlineExceeded"), "Degraded", "ProgressDeadlineExceeded: 0 of 3 pods"},
		"is stuck, and tries on":        {conditions("False", "True", "True", "ProgressDeadlineExceeded"), "Degraded", "ProgressDeadlineExceeded: 0 of 3 pods"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := argocd.HealthOf(t.Context(), example(t, "health.lua"), parse(t, want.object))
			if err != nil {
				t.Fatal(err)
			}
			if got != (argocd.Health{Status: want.status, Message: want.message}) {
				t.Errorf("got %+v, want %s, %q", got, want.status, want.message)
			}
		})
	}
}

func TestActions(t *testing.T) {
	for name, test := range map[string]struct {
		rollout, reason string
		enabled         map[string]bool
		action          string
		want            string
	}{
		"pause": {
			rollout: `{partition: 1}`, reason: "Updating", action: "pause", want: `{partition: 1, paused: true}`,
			enabled: map[string]bool{"pause": true, "resume": false, "update-all": false},
		},
		"resume": {
			rollout: `{paused: true, maxUnavailable: 20%}`, reason: "Paused", action: "resume", want: `{paused: false, maxUnavailable: 20%}`,
			enabled: map[string]bool{"pause": false, "resume": true, "update-all": false},
		},
		"update the rest": {
			rollout: `{partition: 50%, paused: false}`, reason: "PartitionReached", action: "update-all", want: `{partition: 0, paused: false}`,
			enabled: map[string]bool{"pause": true, "resume": false, "update-all": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			actions, err := argocd.ParseActions([]byte(example(t, "actions.yaml")))
			if err != nil {
				t.Fatal(err)
			}
			object := parse(t, conditions("True", "False", "False", test.reason)+"spec: {updateStrategy: {rollingUpdate: "+test.rollout+"}}")
			enabled, err := actions.Enabled(t.Context(), object)
			if diff := cmp.Diff(test.enabled, enabled); err != nil || diff != "" {
				t.Errorf("%v, (-want +got)\n%s", err, diff)
			}
			changed, err := actions.Do(t.Context(), test.action, object)
			object["spec"] = parse(t, "{updateStrategy: {rollingUpdate: "+test.want+"}}")
			if diff := cmp.Diff(object, changed); err != nil || diff != "" {
				t.Errorf("%v, (-want +got)\n%s", err, diff)
			}
		})
	}
}

func example(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("../../examples/argo-cd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// parse returns an object as the API server's JSON is decoded: whole numbers are int64.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return whole(object).(map[string]any)
}

func whole(value any) any {
	switch value := value.(type) {
	case float64:
		return int64(value)
	case []any:
		for i := range value {
			value[i] = whole(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = whole(value[key])
		}
	}
	return value
}
