package integration_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/insitu-dev/insitu/test/integration/harness"
)

// accepted are merge patches of the smallest CloneSet with which it is valid.
func accepted() map[string]string {
	const claim = `{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`
	return map[string]string{
		"a surge instead of missing pods":   ofRolling(`maxUnavailable: 0, maxSurge: 1`),
		"a percentage of surge instead":     ofRolling(`maxUnavailable: "0%", maxSurge: "1%"`),
		"no surge":                          ofRolling(`maxUnavailable: 1, maxSurge: 0`),
		"InPlaceOnly with a surge":          ofRolling(`podUpdatePolicy: InPlaceOnly, maxSurge: 1`),
		"OnDelete":                          `{spec: {updateStrategy: {type: OnDelete}}}`,
		"OnDelete with settings":            `{spec: {updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1, maxSurge: 1}}}}`,
		"pods made one at a time":           ofScaling(`maxUnavailable: 1`),
		"1 % of the pods made at a time":    ofScaling(`maxUnavailable: "1%"`),
		"pods to delete":                    ofScaling(`podsToDelete: [web-abcde, a.b-c]`),
		"a deadline beyond minReadySeconds": `{spec: {minReadySeconds: 30, progressDeadlineSeconds: 31}}`,
		"a deadline that is off":            `{spec: {minReadySeconds: 600, progressDeadlineSeconds: 2147483647}}`,
		"a priority by weights":             ofRolling(`priorityStrategy: {weightPriority: [{weight: 0, matchSelector: {}}, {weight: 100, matchSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}]}`),
		"a priority by order":               ofRolling(`priorityStrategy: {orderPriority: [{orderedKey: example.com/order}, {orderedKey: order}]}`),
		"scatter by values of a key":        ofRolling(`scatterStrategy: [{key: zone, value: a}, {key: zone, value: b}, {key: zone, value: ""}]`),
		"settings of a container":           ofRolling(`inPlaceUpdateStrategy: {containers: [{name: main, priority: -5, drain: NotRequired}]}`),
		"no rehearsal":                      ofRolling(`inPlaceUpdateStrategy: {rehearsal: {policy: Never}}`),
		"settings of rehearsals":            ofRolling(`inPlaceUpdateStrategy: {rehearsal: {policy: Always, parallelism: 1, timeoutSeconds: 1, whenImpossible: Proceed}}`),
		"the peer's names for them":         ofRolling(`inPlaceUpdateStrategy: {imagePreDownloadParallelism: 2, imagePreDownloadTimeoutSeconds: 300, imagePreDownloadMinUpdatedReadyPods: 1}`),
		"a claim":                           `{spec: {volumeClaimTemplates: [` + claim + `]}}`,
		"hooks":                             `{spec: {lifecycle: {preNormal: {labelsHandler: {a: b}}, inPlaceUpdate: {finalizersHandler: [example.com/x], markPodNotReady: true}, preDelete: {labelsHandler: {example.com/a: ""}}}}}`,
		"an empty lifecycle":                `{spec: {lifecycle: {}}}`,
		"an expression beside the labels":   requires(`{key: app, operator: In, values: [web, api]}`),
		"settings of a native sidecar": `{spec: {template: {spec: {initContainers: [{name: proxy, image: a, restartPolicy: Always}]}},
			updateStrategy: {rollingUpdate: {inPlaceUpdateStrategy: {containers: [{name: proxy, drain: NotRequired}]}}}}}`,
	}
}

func TestAcceptsAtCreation(t *testing.T) {
	cluster := harness.Connect(t)
	namespace := cluster.Namespace(t)
	for name, patch := range accepted() {
		t.Run(name, func(t *testing.T) {
			if err := cluster.Client.Create(t.Context(), manifest(t, namespace, patch), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}
