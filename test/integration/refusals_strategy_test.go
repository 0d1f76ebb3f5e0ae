package integration_test

import "strings"

const (
	maxSurge        = rolling + "maxSurge"
	scaling         = "spec.scaleStrategy."
	priorityField   = rolling + "priorityStrategy"
	scatterField    = rolling + "scatterStrategy"
	containerField  = rolling + "inPlaceUpdateStrategy.containers"
	nothingToUpdate = "must not be 0 while maxSurge is 0"
	noSuchContainer = "must name containers, or native sidecars, of spec.template"
)

func ofScaling(field string) string {
	return "{spec: {scaleStrategy: {" + field + "}}}"
}

func refusedLimits() map[string]refusal {
	const scalingMax = scaling + "maxUnavailable"
	return map[string]refusal{
		"maxUnavailable 0":              {ofRolling(`maxUnavailable: 0`), maxUnavailable, nothingToUpdate},
		"maxUnavailable 0 %":            {ofRolling(`maxUnavailable: "0%"`), maxUnavailable, nothingToUpdate},
		"maxUnavailable 0, maxSurge 0":  {ofRolling(`maxUnavailable: 0, maxSurge: "0%"`), maxUnavailable, nothingToUpdate},
		"maxSurge below 0":              {ofRolling(`maxSurge: -1`), maxSurge, wholePercent},
		"maxSurge as a string":          {ofRolling(`maxSurge: "5"`), maxSurge, wholePercent},
		"maxSurge as a word":            {ofRolling(`maxSurge: abc`), maxSurge, wholePercent},
		"maxSurge over 100 %":           {ofRolling(`maxSurge: "101%"`), maxSurge, wholePercent},
		"maxSurge of a broken percent":  {ofRolling(`maxSurge: "33.3%"`), maxSurge, wholePercent},
		"maxSurge beyond int32":         {ofRolling(`maxSurge: 2147483648`), maxSurge, "less than or equal to"},
		"maxSurge of a half":            {ofRolling(`maxSurge: 0.5`), maxSurge, "must be of type integer"},
		"no pod made at a time":         {ofScaling(`maxUnavailable: 0`), scalingMax, wholePercent},
		"0 % of the pods made":          {ofScaling(`maxUnavailable: "0%"`), scalingMax, wholePercent},
		"pods made as a string":         {ofScaling(`maxUnavailable: "5"`), scalingMax, wholePercent},
		"101 % of the pods made":        {ofScaling(`maxUnavailable: "101%"`), scalingMax, wholePercent},
		"pods made beyond int32":        {ofScaling(`maxUnavailable: 2147483648`), scalingMax, "less than or equal to"},
		"a pod to delete twice":         {ofScaling(`podsToDelete: [web-a, web-a]`), scaling + "podsToDelete[1]", "Duplicate value"},
		"a pod to delete by its kind":   {ofScaling(`podsToDelete: [pod/web-a]`), scaling + "podsToDelete[0]", "should match"},
		"a pod to delete without name":  {ofScaling(`podsToDelete: [""]`), scaling + "podsToDelete[0]", "at least 1 chars"},
		"an unknown field of scaling":   {ofScaling(`disablePVCReuse: true`), scaling + "disablePVCReuse", "unknown field"},
		"reuse that is no truth value":  {ofScaling(`enablePVCReuse: 1`), scaling + "enablePVCReuse", "must be of type boolean"},
		"paused that is no truth value": {ofRolling(`paused: "true"`), rolling + "paused", "must be of type boolean"},
	}
}

func refusedDeadlines() map[string]refusal {
	const field = "spec.progressDeadlineSeconds"
	return map[string]refusal{
		"a deadline of 0":               {`{spec: {progressDeadlineSeconds: 0}}`, field, "greater than or equal to 1"},
		"a deadline beyond int32":       {`{spec: {progressDeadlineSeconds: 2147483648}}`, field, "less than or equal to"},
		"a deadline of minReadySeconds": {`{spec: {minReadySeconds: 30, progressDeadlineSeconds: 30}}`, field, "greater than minReadySeconds"},
		"minReadySeconds of the default deadline": {
			`{spec: {minReadySeconds: 600}}`, field, "2147483647 turns the deadline off",
		},
	}
}

func refusedOrder() map[string]refusal {
	weigh := func(term string) string { return ofRolling(`priorityStrategy: {weightPriority: [` + term + `]}`) }
	order := func(term string) string { return ofRolling(`priorityStrategy: {orderPriority: [` + term + `]}`) }
	scatter := func(term string) string { return ofRolling(`scatterStrategy: [` + term + `]`) }
	containers := func(list string) string { return ofRolling(`inPlaceUpdateStrategy: {containers: [` + list + `]}`) }
	const weight, either = priorityField + ".weightPriority[0]", "either weightPriority or orderPriority"
	const selector = weight + ".matchSelector"
	return map[string]refusal{
		"a priority of nothing":              {ofRolling(`priorityStrategy: {}`), priorityField, either},
		"a priority of empty lists":          {weigh(``), priorityField, either},
		"a priority of both":                 {ofRolling(`priorityStrategy: {weightPriority: [{weight: 1, matchSelector: {}}], orderPriority: [{orderedKey: a}]}`), priorityField, either},
		"a weight over 100":                  {weigh(`{weight: 101, matchSelector: {}}`), weight + ".weight", "less than or equal to 100"},
		"a weight below 0":                   {weigh(`{weight: -1, matchSelector: {}}`), weight + ".weight", "greater than or equal to 0"},
		"a term without a weight":            {weigh(`{matchSelector: {}}`), weight + ".weight", "Required value"},
		"a term without a selector":          {weigh(`{weight: 1}`), selector, "Required value"},
		"a term of an unknown operator":      {weigh(`{weight: 1, matchSelector: {matchExpressions: [{key: a, operator: Gt}]}}`), selector + ".matchExpressions[0].operator", "supported values"},
		"a term of an expression of nothing": {weigh(`{weight: 1, matchSelector: {matchExpressions: [{key: a, operator: In}]}}`), selector, "need values with In"},
		"a term of an expression of values":  {weigh(`{weight: 1, matchSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}`), selector, "none with Exists"},
		"a term of a key that is none":       {weigh(`{weight: 1, matchSelector: {matchExpressions: [{key: "a b", operator: Exists}]}}`), selector + ".matchExpressions[0].key", "should match"},
		"an order without a key":             {order(`{}`), priorityField + ".orderPriority[0].orderedKey", "Required value"},
		"an order by no label":               {order(`{orderedKey: "a b"}`), priorityField + ".orderPriority[0].orderedKey", "must be the key of a label"},
		"an order by two prefixes":           {order(`{orderedKey: a/b/c}`), priorityField + ".orderPriority[0].orderedKey", "must be the key of a label"},
		"scatter twice the same":             {scatter(`{key: a, value: b}, {key: a, value: b}`), scatterField + "[1]", "Duplicate value"},
		"scatter without a value":            {scatter(`{key: a}`), scatterField + "[0].value", "Required value"},
		"scatter by no label":                {scatter(`{key: "-", value: a}`), scatterField + "[0].key", "must be the key of a label"},
		"scatter by any value":               {scatter(`{key: a, value: "*"}`), scatterField + "[0].value", "must be the value of a label"},
		"a setting of another container":     {containers(`{name: mian}`), containerField, noSuchContainer},
		"two settings of a container":        {containers(`{name: main}, {name: main}`), containerField + "[1]", "Duplicate value"},
		"a setting of no container":          {containers(`{priority: 1}`), containerField + "[0].name", "Required value"},
		"an unknown drain":                   {containers(`{name: main, drain: Never}`), containerField + "[0].drain", "supported values"},
		"a container's priority of a half":   {containers(`{name: main, priority: 0.5}`), containerField + "[0].priority", "must be of type int32"},
		"a setting of an ordinary init container": {
			`{spec: {template: {spec: {initContainers: [{name: setup}]}}, updateStrategy: {rollingUpdate: {inPlaceUpdateStrategy: {containers: [{name: setup}]}}}}}`,
			containerField, noSuchContainer,
		},
	}
}

func refusedRehearsals() map[string]refusal {
	ofInPlace := func(field string) string { return ofRolling(`inPlaceUpdateStrategy: {` + field + `}`) }
	const field = rolling + "inPlaceUpdateStrategy."
	return map[string]refusal{
		"an unknown policy of rehearsals":   {ofInPlace(`rehearsal: {policy: Sometimes}`), field + "rehearsal.policy", "supported values"},
		"an unknown way around them":        {ofInPlace(`rehearsal: {whenImpossible: Skip}`), field + "rehearsal.whenImpossible", "supported values"},
		"rehearsals on no node at a time":   {ofInPlace(`rehearsal: {parallelism: 0}`), field + "rehearsal.parallelism", "greater than or equal to 1"},
		"rehearsals on a percentage":        {ofInPlace(`rehearsal: {parallelism: "10%"}`), field + "rehearsal.parallelism", "must be of type integer"},
		"rehearsals without any time":       {ofInPlace(`rehearsal: {timeoutSeconds: 0}`), field + "rehearsal.timeoutSeconds", "greater than or equal to 1"},
		"an unknown field of rehearsals":    {ofInPlace(`rehearsal: {timeout: 5m}`), field + "rehearsal.timeout", "unknown field"},
		"the peer's number of no node":      {ofInPlace(`imagePreDownloadParallelism: 0`), field + "imagePreDownloadParallelism", "greater than or equal to 1"},
		"the peer's number of seconds":      {ofInPlace(`imagePreDownloadTimeoutSeconds: -1`), field + "imagePreDownloadTimeoutSeconds", "greater than or equal to 1"},
		"the peer's number of pods":         {ofInPlace(`imagePreDownloadMinUpdatedReadyPods: -1`), field + "imagePreDownloadMinUpdatedReadyPods", "greater than or equal to 0"},
		"an unknown word for same images":   {ofInPlace(`sameImage: Ignore`), field + "sameImage", "supported values"},
		"a pin on something else":           {ofInPlace(`pin: Tag`), field + "pin", "supported values"},
		"nodes at a time, by both names":    {ofInPlace(`imagePreDownloadParallelism: 1, rehearsal: {parallelism: 1}`), field + "imagePreDownloadParallelism", "beside rehearsal.parallelism"},
		"time for a rehearsal by two names": {ofInPlace(`imagePreDownloadTimeoutSeconds: 1, rehearsal: {timeoutSeconds: 1}`), field + "imagePreDownloadTimeoutSeconds", "beside rehearsal.timeoutSeconds"},
	}
}

func refusedHooks() map[string]refusal {
	hook := func(fields string) string { return `{spec: {lifecycle: {inPlaceUpdate: {` + fields + `}}}}` }
	const field = "spec.lifecycle.inPlaceUpdate"
	const nothing, own, domain = "must have a label or a finalizer", "must not use labels of the controller's", "names with a domain"
	return map[string]refusal{
		"a hook of nothing":                   {hook(`markPodNotReady: true`), field, nothing},
		"a hook of empty lists":               {hook(`labelsHandler: {}, finalizersHandler: []`), field, nothing},
		"a hook of the controller's label":    {hook(`labelsHandler: {apps.insitu.dev/managed: "true"}`), field + ".labelsHandler", own},
		"a hook of the revision":              {hook(`labelsHandler: {controller-revision-hash: a}`), field + ".labelsHandler", own},
		"a hook of the selector":              {hook(`labelsHandler: {app: web}`), "spec.lifecycle", "would be released"},
		"a hook of a value that is none":      {hook(`labelsHandler: {a: "*"}`), field + ".labelsHandler.a", "should match"},
		"a hook of a long value":              {hook(`labelsHandler: {a: ` + strings.Repeat("a", 64) + `}`), field + ".labelsHandler.a", "may not be more than 63"},
		"a hook of a finalizer with no owner": {hook(`finalizersHandler: [deregister]`), field + ".finalizersHandler", domain},
		"a hook of two prefixes":              {hook(`finalizersHandler: [example.com/a/b]`), field + ".finalizersHandler", domain},
		"a hook of a finalizer twice":         {hook(`finalizersHandler: [a.b/c, a.b/c]`), field + ".finalizersHandler[1]", "Duplicate value"},
		"a hook of a finalizer without name":  {hook(`finalizersHandler: [""]`), field + ".finalizersHandler[0]", "at least 1 chars"},
		"an unknown hook":                     {`{spec: {lifecycle: {preUpdate: {}}}}`, "spec.lifecycle.preUpdate", "unknown field"},
		"preNormal that marks the pod": {
			`{spec: {lifecycle: {preNormal: {labelsHandler: {a: b}, markPodNotReady: true}}}}`,
			"spec.lifecycle.preNormal.markPodNotReady", "must not be set",
		},
	}
}

func refusedClaims() map[string]refusal {
	const field = "spec.volumeClaimTemplates"
	const rest = `accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}`
	claims := func(list string) string { return `{spec: {volumeClaimTemplates: [` + list + `]}}` }
	return map[string]refusal{
		"a claim without metadata":      {claims(`{spec: {` + rest + `}}`), field + "[0].metadata", "Required value"},
		"a claim without a name":        {claims(`{metadata: {}, spec: {` + rest + `}}`), field + "[0].metadata.name", "Required value"},
		"a claim in capitals":           {claims(`{metadata: {name: Data}, spec: {` + rest + `}}`), field + "[0].metadata.name", "should match"},
		"a claim with a dot":            {claims(`{metadata: {name: a.b}, spec: {` + rest + `}}`), field + "[0].metadata.name", "should match"},
		"a claim of a long name":        {claims(`{metadata: {name: ` + strings.Repeat("a", 64) + `}, spec: {` + rest + `}}`), field + "[0].metadata.name", "may not be more than 63"},
		"two claims of one name":        {claims(`{metadata: {name: a}, spec: {` + rest + `}}, {metadata: {name: a}, spec: {` + rest + `}}`), field, "must have names that differ"},
		"a claim without a spec":        {claims(`{metadata: {name: a}}`), field + "[0].spec", "Required value"},
		"a claim without modes":         {claims(`{metadata: {name: a}, spec: {resources: {requests: {storage: 1Gi}}}}`), field + "[0].spec.accessModes", "Required value"},
		"a claim of no modes":           {claims(`{metadata: {name: a}, spec: {accessModes: [], resources: {requests: {storage: 1Gi}}}}`), field + "[0].spec.accessModes", "at least 1 items"},
		"a claim without resources":     {claims(`{metadata: {name: a}, spec: {accessModes: [ReadWriteOnce]}}`), field + "[0].spec.resources", "Required value"},
		"a claim without requests":      {claims(`{metadata: {name: a}, spec: {accessModes: [ReadWriteOnce], resources: {}}}`), field + "[0].spec.resources.requests", "Required value"},
		"a claim without a size":        {claims(`{metadata: {name: a}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {}}}}`), field + "[0].spec.resources.requests.storage", "Required value"},
		"a claim of a size that's none": {claims(`{metadata: {name: a}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: big}}}}`), field + "[0].spec.resources.requests.storage", "should match"},
		"an unknown field of a claim":   {claims(`{metadata: {name: a}, spec: {size: 1Gi, ` + rest + `}}`), field + "[0].spec.size", "unknown field"},
	}
}
