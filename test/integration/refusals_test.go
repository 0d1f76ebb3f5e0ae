package integration_test

import (
	"maps"
	"strings"
)

// refusals are manifests that the API server refuses, without any webhook.
func refusals() map[string]refusal {
	all := map[string]refusal{}
	for _, some := range []map[string]refusal{
		refusedNumbers(), refusedSelectors(), refusedTemplates(), refusedContainers(), refusedNames(), refusedUnknown(),
		refusedSizes(), refusedLimits(), refusedOrder(), refusedHooks(), refusedClaims(), refusedDeadlines(), refusedFailurePolicies(),
		refusedRehearsals(),
	} {
		maps.Copy(all, some)
	}
	return all
}

const (
	rolling        = "spec.updateStrategy.rollingUpdate."
	partition      = rolling + "partition"
	maxUnavailable = rolling + "maxUnavailable"
	wholePercent   = "or a whole percentage"
)

// ofRolling is a patch of one field of the rolling update.
func ofRolling(field string) string {
	return "{spec: {updateStrategy: {rollingUpdate: {" + field + "}}}}"
}

func refusedNumbers() map[string]refusal {
	return map[string]refusal{
		"replicas below 0":               {`{spec: {replicas: -1}}`, "spec.replicas", "greater than or equal to 0"},
		"replicas beyond int32":          {`{spec: {replicas: 2147483648}}`, "spec.replicas", "less than or equal to"},
		"replicas of a half":             {`{spec: {replicas: 1.5}}`, "spec.replicas", "must be of type int32"},
		"minReadySeconds below 0":        {`{spec: {minReadySeconds: -1}}`, "spec.minReadySeconds", "greater than or equal to 0"},
		"minReadySeconds beyond int32":   {`{spec: {minReadySeconds: 1e10}}`, "spec.minReadySeconds", "less than or equal to"},
		"history below 0":                {`{spec: {revisionHistoryLimit: -1}}`, "spec.revisionHistoryLimit", "greater than or equal to 0"},
		"partition below 0":              {ofRolling(`partition: -1`), partition, wholePercent},
		"partition beyond int32":         {ofRolling(`partition: 2147483648`), partition, "less than or equal to"},
		"partition far beyond int32":     {ofRolling(`partition: 1e30`), partition, "less than or equal to"},
		"partition as a string":          {ofRolling(`partition: "5"`), partition, wholePercent},
		"partition as a word":            {ofRolling(`partition: abc`), partition, wholePercent},
		"partition over 100 %":           {ofRolling(`partition: "120%"`), partition, wholePercent},
		"partition of a broken percent":  {ofRolling(`partition: "33.3%"`), partition, wholePercent},
		"partition below 0 %":            {ofRolling(`partition: "-1%"`), partition, wholePercent},
		"partition after a blank":        {ofRolling(`partition: " 5%"`), partition, wholePercent},
		"partition with a line's end":    {ofRolling(`partition: "5%\n"`), partition, wholePercent},
		"maxUnavailable below 0":         {ofRolling(`maxUnavailable: -1`), maxUnavailable, wholePercent},
		"maxUnavailable beyond int32":    {ofRolling(`maxUnavailable: 2147483648`), maxUnavailable, "less than or equal to"},
		"maxUnavailable as a string":     {ofRolling(`maxUnavailable: "5"`), maxUnavailable, wholePercent},
		"maxUnavailable as a word":       {ofRolling(`maxUnavailable: abc`), maxUnavailable, wholePercent},
		"maxUnavailable over 100 %":      {ofRolling(`maxUnavailable: "120%"`), maxUnavailable, wholePercent},
		"maxUnavailable, broken percent": {ofRolling(`maxUnavailable: "33.3%"`), maxUnavailable, wholePercent},
		"grace below 0": {
			ofRolling(`inPlaceUpdateStrategy: {gracePeriodSeconds: -1}`),
			rolling + "inPlaceUpdateStrategy.gracePeriodSeconds", "greater than or equal to 0",
		},
		"a template with a label of the controller's": {
			`{spec: {template: {metadata: {labels: {apps.insitu.dev/specified-delete: ""}}}}}`,
			"spec.template.metadata.labels", "must not have labels of the controller's",
		},
		"a template with the label of its revision": {
			`{spec: {template: {metadata: {labels: {controller-revision-hash: a}}}}}`,
			"spec.template.metadata.labels", "must not have labels of the controller's",
		},
		"a template with an annotation of the controller's": {
			`{spec: {template: {metadata: {annotations: {apps.insitu.dev/inplace-state: "{}"}}}}}`,
			"spec.template.metadata.annotations", "must not have annotations of the controller's",
		},
		"a drain until nothing": {
			ofRolling(`inPlaceUpdateStrategy: {drain: {}}`), rolling + "inPlaceUpdateStrategy.drain.untilCondition", "Required value",
		},
		"a drain until the pod is ready": {
			ofRolling(`inPlaceUpdateStrategy: {drain: {untilCondition: Ready}}`),
			rolling + "inPlaceUpdateStrategy.drain.untilCondition", "should match",
		},
		"a drain that ends before it begins": {
			ofRolling(`inPlaceUpdateStrategy: {drain: {untilCondition: example.com/drained, timeoutSeconds: -1}}`),
			rolling + "inPlaceUpdateStrategy.drain.timeoutSeconds", "greater than or equal to 0",
		},
		"an unknown policy":   {ofRolling(`podUpdatePolicy: Recreate`), rolling + "podUpdatePolicy", "supported values"},
		"an unknown strategy": {`{spec: {updateStrategy: {type: Recreate}}}`, "spec.updateStrategy.type", "supported values"},
	}
}

func refusedSelectors() map[string]refusal {
	const field, labels = "spec.selector", "matchLabels must be among the labels of spec.template.metadata.labels"
	const expressions = "matchExpressions must match the labels of spec.template.metadata.labels"
	return map[string]refusal{
		"no selector":                      {`{spec: {selector: null}}`, field, "Required value"},
		"an empty selector":                {`{spec: {selector: {matchLabels: null}}}`, field, "must not be empty"},
		"a selector of no labels":          {`{spec: {selector: {matchLabels: {app: null}}}}`, field, "must not be empty"},
		"a selector of another value":      {`{spec: {selector: {matchLabels: {app: other}}}}`, field, labels},
		"a selector of another key":        {`{spec: {selector: {matchLabels: {tier: web}}}}`, field, labels},
		"a template without labels":        {`{spec: {template: {metadata: {labels: null}}}}`, field, labels},
		"a template without metadata":      {`{spec: {template: {metadata: null}}}`, field, labels},
		"an expression of another value":   {requires(`{key: app, operator: In, values: [other]}`), field, expressions},
		"an expression of another key":     {requires(`{key: tier, operator: Exists}`), field, expressions},
		"an expression against the label":  {requires(`{key: app, operator: DoesNotExist}`), field, expressions},
		"an expression against the value":  {requires(`{key: app, operator: NotIn, values: [web]}`), field, expressions},
		"an expression without its values": {requires(`{key: app, operator: In}`), field, expressions},
		"a selector by the revision": {
			`{spec: {selector: {matchLabels: {controller-revision-hash: x}}}}`, field, "changes with every update",
		},
		"an expression about the revision": {
			requires(`{key: controller-revision-hash, operator: DoesNotExist}`), field, "changes with every update",
		},
	}
}

// requires is a patch of the selector that adds one expression.
func requires(expression string) string {
	return "{spec: {selector: {matchExpressions: [" + expression + "]}}}"
}

func refusedTemplates() map[string]refusal {
	const containers = "spec.template.spec.containers"
	return map[string]refusal{
		"no template":                  {`{spec: {template: null}}`, "spec.template", "Required value"},
		"an empty template":            {`{spec: {template: {metadata: null, spec: null}}}`, containers, "at least one container"},
		"a template without a spec":    {`{spec: {template: {spec: null}}}`, containers, "at least one container"},
		"a template of no containers":  {ofPod(`containers: []`), containers, "at least one container"},
		"a template without any":       {ofPod(`containers: null`), containers, "Required value"},
		"restartPolicy OnFailure":      {ofPod(`restartPolicy: OnFailure`), "spec.template.spec.restartPolicy", "must be Always"},
		"restartPolicy Never":          {ofPod(`restartPolicy: Never`), "spec.template.spec.restartPolicy", "must be Always"},
		"activeDeadlineSeconds":        {ofPod(`activeDeadlineSeconds: 60`), "spec.template.spec.activeDeadlineSeconds", "must not be set"},
		"two containers of one name":   {ofPod(`containers: [{name: a}, {name: a}]`), containers + "[1]", "Duplicate value"},
		"a grace period beyond int64":  {ofPod(`terminationGracePeriodSeconds: 1e20`), "spec.template.spec.terminationGracePeriodSeconds", "less than or equal to"},
		"a priority beyond int32":      {ofPod(`priority: 3000000000`), "spec.template.spec.priority", "less than or equal to"},
		"a container without its name": {ofPod(`containers: [{image: a}]`), containers + "[0].name", "Required value"},
	}
}

func ofPod(field string) string {
	return "{spec: {template: {spec: {" + field + "}}}}"
}

func refusedContainers() map[string]refusal {
	const containers, inits = "spec.template.spec.containers", "spec.template.spec.initContainers"
	const cpu = containers + "[0].resources.requests.cpu"
	rules := `restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]`
	return map[string]refusal{
		"a container with restartPolicy Always": {
			ofPod(`containers: [{name: a, restartPolicy: Always}]`), containers, "must not be set on a container",
		},
		"a container with restartPolicy Never": {
			ofPod(`containers: [{name: a, restartPolicy: Never}]`), containers, "must not be set on a container",
		},
		"an init container with restartPolicy Never": {
			ofPod(`initContainers: [{name: a, restartPolicy: Never}]`), inits, "must be Always",
		},
		"an init container with restartPolicy OnFailure": {
			ofPod(`initContainers: [{name: a, restartPolicy: OnFailure}]`), inits, "must be Always",
		},
		"restartPolicyRules of a container": {
			ofPod(`containers: [{name: a, ` + rules + `}]`), containers, "restartPolicyRules must not be set",
		},
		"restartPolicyRules of an init container": {
			ofPod(`initContainers: [{name: a, ` + rules + `}]`), inits, "restartPolicyRules must not be set",
		},
		"a port beyond int32": {
			ofPod(`containers: [{name: a, ports: [{containerPort: 3000000000}]}]`),
			containers + "[0].ports[0].containerPort", "less than or equal to",
		},
		"a probe's port beyond int32": {
			ofPod(`containers: [{name: a, readinessProbe: {httpGet: {port: 3000000000}}}]`),
			containers + "[0].readinessProbe.httpGet.port", "less than or equal to",
		},
		"a quantity that is none":          {requestsCPU(`1e1.5`), cpu, "should match"},
		"a quantity that is a truth value": {requestsCPU(`true`), "<nil>", cpu + `" must not validate`},
		"a quantity that is an object":     {requestsCPU(`{}`), cpu, "should have at least 1 properties"},
		"a quantity of two properties":     {requestsCPU(`{a: 1, b: 2}`), cpu, "must have at most 0 items"},
		"a quantity that is a list":        {requestsCPU(`[1]`), cpu, "must have at most 0 items"},
		"a quantity that is an empty list": {requestsCPU(`[]`), cpu, "should have at least 1 items"},
	}
}

// requestsCPU is a patch of the pod's only container.
func requestsCPU(quantity string) string {
	return ofPod(`containers: [{name: a, resources: {requests: {cpu: ` + quantity + `}}}]`)
}

func refusedNames() map[string]refusal {
	return map[string]refusal{
		"a name of 53 characters": {`{metadata: {name: ` + strings.Repeat("a", 53) + `}}`, "metadata.name", "at most 52 characters"},
		"a name in capitals":      {`{metadata: {name: Web}}`, "metadata.name", "lowercase RFC 1123 subdomain"},
	}
}

func refusedUnknown() map[string]refusal {
	const unknown = "unknown field"
	return map[string]refusal{
		"an unknown field of the set":      {`{spec: {replica: 1}}`, "spec.replica", unknown},
		"an unknown field of the strategy": {ofRolling(`maxSurges: 1`), rolling + "maxSurges", unknown},
		"an unknown field of the template": {`{spec: {template: {metadata: {label: {}}}}}`, "spec.template.metadata.label", unknown},
		"an unknown field of the pod":      {ofPod(`container: []`), "spec.template.spec.container", unknown},
		"an unknown field of a container":  {ofPod(`containers: [{name: a, imge: b}]`), "spec.template.spec.containers[0].imge", unknown},
		"an unknown field of the selector": {`{spec: {selector: {matchLabel: {}}}}`, "spec.selector.matchLabel", unknown},
		"a status with an unknown field":   {`{status: {pods: 1}}`, "status.pods", unknown},
		"an unknown field beside the spec": {`{specs: {}}`, "specs", unknown},
		"an unknown field in a probe":      {ofPod(`containers: [{name: a, readinessProbe: {httpGet: {port: 1, url: a}}}]`), "spec.template.spec.containers[0].readinessProbe.httpGet.url", unknown},
		"an unknown field of an init":      {ofPod(`initContainers: [{name: a, imge: b}]`), "spec.template.spec.initContainers[0].imge", unknown},
		"an unknown field of a volume":     {ofPod(`volumes: [{name: a, emptydir: {}}]`), "spec.template.spec.volumes[0].emptydir", unknown},
		"an unknown field of the affinity": {ofPod(`affinity: {podAffinities: {}}`), "spec.template.spec.affinity.podAffinities", unknown},
		"an unknown field of in-place":     {ofRolling(`inPlaceUpdateStrategy: {grace: 1}`), rolling + "inPlaceUpdateStrategy.grace", unknown},
	}
}

func refusedSizes() map[string]refusal {
	return map[string]refusal{
		"a label's value of 64 characters": {
			`{spec: {template: {metadata: {labels: {long: ` + strings.Repeat("a", 64) + `}}}}}`,
			"spec.template.metadata.labels.long", "may not be more than 63",
		},
		"65 containers": {
			ofPod(`containers: [` + strings.Repeat("{name: a},", 65) + `]`), "spec.template.spec.containers", "at most 64 items",
		},
	}
}
