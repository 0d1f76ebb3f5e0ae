package integration_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// storedSmallest is what the API server makes of the smallest CloneSet. In the template there is one default only, of a
// key of a list: any other would be a change of the template that its author did not make.
const storedSmallest = `
minReadySeconds: 0
progressDeadlineSeconds: 600
replicas: 1
revisionHistoryLimit: 10
scaleStrategy: {}
selector:
  matchLabels:
    app: web
template:
  metadata:
    labels:
      app: web
  spec:
    containers:
      - name: main
        image: registry.example/app:v1
        ports:
          - containerPort: 8080
            protocol: TCP
updateStrategy:
  type: RollingUpdate
  rollingUpdate:
    podUpdatePolicy: InPlaceIfPossible
    partition: 0
    maxUnavailable: 20%
    maxSurge: 0
    failurePolicy:
      action: Pause
    inPlaceUpdateStrategy:
      gracePeriodSeconds: 2
      rehearsal:
        policy: Always
        whenImpossible: Wait
      resources: Resize
      sameImage: Restart
      pin: None
`

func TestDefaults(t *testing.T) {
	cluster := harness.Connect(t)
	for name, patch := range map[string]string{
		"of the smallest":     `{}`,
		"of an empty setting": `{spec: {updateStrategy: {rollingUpdate: {inPlaceUpdateStrategy: {}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			object := manifest(t, cluster.Namespace(t), patch)
			if err := cluster.Client.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := yaml.Unmarshal([]byte(storedSmallest), &want); err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(object.Object["spec"])
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("stored spec:\n%s", got)
			wanted, err := yaml.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(wanted), string(got)); diff != "" {
				t.Errorf("stored spec (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAdmits tells what must not be refused, and that the Go types can hold it.
func TestAdmits(t *testing.T) {
	cluster := harness.Connect(t)
	for name, patch := range map[string]string{
		"no replicas":                `{spec: {replicas: 0}}`,
		"a partition in percent":     ofRolling(`partition: "50%"`),
		"all kept":                   ofRolling(`partition: "100%"`),
		"none kept, in percent":      ofRolling(`partition: "0%"`),
		"all at once":                ofRolling(`maxUnavailable: "100%"`),
		"one at a time":              ofRolling(`maxUnavailable: 1`),
		"1 %":                        ofRolling(`maxUnavailable: "1%"`),
		"no grace":                   ofRolling(`inPlaceUpdateStrategy: {gracePeriodSeconds: 0}`),
		"a long name":                `{metadata: {name: ` + strings.Repeat("a", 52) + `}}`,
		"a selector of expressions":  `{spec: {selector: {matchLabels: null, matchExpressions: [{key: app, operator: In, values: [db, web]}, {key: app, operator: Exists}, {key: tier, operator: DoesNotExist}, {key: tier, operator: NotIn, values: [a]}]}}}`,
		"labels beyond the selector": `{spec: {template: {metadata: {labels: {tier: front}}}}}`,
		"a native sidecar":           ofPod(`initContainers: [{name: setup, image: a}, {name: proxy, image: b, restartPolicy: Always}]`),
		"restartPolicy Always":       ofPod(`restartPolicy: Always`),
		"one port, two protocols":    ofPod(`containers: [{name: a, ports: [{containerPort: 53}, {containerPort: 53, protocol: UDP}]}]`),
		"quantities of every kind":   ofPod(`containers: [{name: a, resources: {requests: {cpu: 0.5, memory: 1e3}, limits: {cpu: 1500m, memory: 2Gi}}}]`),
		"a template of a Deployment": `{spec: {template: {metadata: {creationTimestamp: null}}}}`,
		"a probe on a named port":    ofPod(`containers: [{name: a, readinessProbe: {httpGet: {port: http}}}]`),
		"settings of nothing":        `{spec: {updateStrategy: {}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			object := manifest(t, cluster.Namespace(t), patch)
			if err := cluster.Client.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			var typed appsv1beta1.CloneSet
			if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), &typed); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAppliesServerSide applies a quantity in two notations, which are two values to the API server.
func TestAppliesServerSide(t *testing.T) {
	cluster := harness.Connect(t)
	namespace := cluster.Namespace(t)
	for _, cpu := range []string{`0.5`, `500m`, `1`} {
		object := manifest(t, namespace, requestsCPU(cpu))
		configuration := client.ApplyConfigurationFromUnstructured(object)
		if err := cluster.Client.Apply(t.Context(), configuration, client.FieldOwner("test")); err != nil {
			t.Errorf("cpu: %s: %v", cpu, err)
		}
	}
}
