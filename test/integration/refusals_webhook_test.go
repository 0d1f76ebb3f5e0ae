package integration_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// refusedByTrial are manifests that only the pod made of them on trial shows to be wrong.
func refusedByTrial() map[string]refusal {
	all := map[string]refusal{}
	for _, some := range []map[string]refusal{refusedPods(), refusedByContainer(), refusedVolumes(), refusedPlacement()} {
		maps.Copy(all, some)
	}
	return all
}

const (
	podField       = "spec.template.spec."
	containerPath  = podField + "containers[0]."
	unsupported    = "Unsupported value"
	portRange      = "must be between 1 and 65535"
	notNegative    = "must be greater than or equal to 0"
	lowercaseLabel = "lowercase RFC 1123 label"
)

// ofContainer is a patch of the pod's only container.
func ofContainer(fields string) string {
	return ofPod(`containers: [{name: main, image: a, ` + fields + `}]`)
}

// ofTemplate is a patch of the metadata of the template.
func ofTemplate(metadata string) string {
	return `{spec: {template: {metadata: {` + metadata + `}}}}`
}

func refusedPods() map[string]refusal {
	return map[string]refusal{
		"a key that is no annotation's":    {ofTemplate(`annotations: {"a b": c}`), "spec.template.metadata.annotations", "name part must consist of"},
		"a finalizer without a domain":     {ofTemplate(`finalizers: [mine]`), "spec.template.metadata.finalizers[0]", "neither a standard finalizer name nor is it fully qualified"},
		"an unknown dnsPolicy":             {ofPod(`dnsPolicy: Never`), podField + "dnsPolicy", unsupported},
		"dnsPolicy None and no server":     {ofPod(`dnsPolicy: None`), podField + "dnsConfig", "must provide `dnsConfig`"},
		"an alias without an address":      {ofPod(`hostAliases: [{ip: here, hostnames: [a]}]`), podField + "hostAliases[0].ip", "must be a valid IP address"},
		"an unknown gate":                  {ofPod(`readinessGates: [{conditionType: "a b"}]`), podField + "readinessGates[0].conditionType", "name part must consist of"},
		"a scheduling gate twice":          {ofPod(`schedulingGates: [{name: a.b/c}, {name: a.b/c}]`), podField + "schedulingGates[1]", "Duplicate value"},
		"a user below 0":                   {ofPod(`securityContext: {runAsUser: -1}`), podField + "securityContext.runAsUser", "must be between 0 and"},
		"a sysctl that is none":            {ofPod(`securityContext: {sysctls: [{name: "a..b", value: "1"}]}`), podField + "securityContext.sysctls[0].name", "must have at most"},
		"a local profile without a file":   {ofPod(`securityContext: {seccompProfile: {type: Localhost}}`), podField + "securityContext.seccompProfile.localhostProfile", "must be set"},
		"an unknown policy of groups":      {ofPod(`securityContext: {fsGroupChangePolicy: Never}`), podField + "securityContext.fsGroupChangePolicy", unsupported},
		"a name server that is none":       {ofPod(`dnsConfig: {nameservers: [here]}`), podField + "dnsConfig.nameservers[0]", "must be a valid IP address"},
		"a hostname in capitals":           {ofPod(`hostname: Web`), podField + "hostname", lowercaseLabel},
		"an operating system of no kernel": {ofPod(`os: {name: plan9}`), podField + "os", unsupported},
		"ephemeral containers":             {ofPod(`ephemeralContainers: [{name: debug, image: a}]`), podField + "ephemeralContainers", "cannot be set on create"},
	}
}

func refusedByContainer() map[string]refusal {
	probe := func(fields string) string { return ofContainer(`readinessProbe: {` + fields + `}`) }
	return map[string]refusal{
		"a container without an image":      {ofPod(`containers: [{name: main}]`), containerPath + "image", "Required value"},
		"an unknown pull policy":            {ofContainer(`imagePullPolicy: Sometimes`), containerPath + "imagePullPolicy", unsupported},
		"a port beyond 65535":               {ofContainer(`ports: [{containerPort: 65536}]`), containerPath + "ports[0].containerPort", portRange},
		"a port below 1":                    {ofContainer(`ports: [{containerPort: -1}]`), containerPath + "ports[0].containerPort", portRange},
		"a port of a long name":             {ofContainer(`ports: [{containerPort: 80, name: a-name-that-is-long}]`), containerPath + "ports[0].name", "must be no more than 15"},
		"two ports of one name":             {ofContainer(`ports: [{containerPort: 80, name: a}, {containerPort: 81, name: a}]`), containerPath + "ports[1].name", "Duplicate value"},
		"an unknown protocol":               {ofContainer(`ports: [{containerPort: 80, protocol: HTTP}]`), containerPath + "ports[0].protocol", unsupported},
		"a variable of no name":             {ofContainer(`env: [{name: "", value: a}]`), containerPath + "env[0].name", "Required value"},
		"a variable with an equals sign":    {ofContainer(`env: [{name: "A=B", value: a}]`), containerPath + "env[0].name", "a valid environment variable name"},
		"a variable of two values":          {ofContainer(`env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`), containerPath + "env[0].valueFrom", "may not be specified when `value` is not empty"},
		"a variable of an unknown field":    {ofContainer(`env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nothing}}}]`), containerPath + "env[0].valueFrom.fieldRef.fieldPath", "error converting fieldPath"},
		"variables from nowhere":            {ofContainer(`envFrom: [{prefix: A}]`), containerPath + "envFrom", "must specify one of"},
		"a probe of nothing":                {probe(`periodSeconds: 1`), containerPath + "readinessProbe", "must specify a handler type"},
		"a probe of two things":             {probe(`httpGet: {port: 80}, tcpSocket: {port: 80}`), containerPath + "readinessProbe.tcpSocket", "may not specify more than 1 handler type"},
		"a probe of a delay below 0":        {probe(`httpGet: {port: 80}, initialDelaySeconds: -1`), containerPath + "readinessProbe.initialDelaySeconds", notNegative},
		"a probe of port 0":                 {probe(`httpGet: {port: 0}`), containerPath + "readinessProbe.httpGet.port", portRange},
		"a liveness that succeeds twice":    {ofContainer(`livenessProbe: {httpGet: {port: 80}, successThreshold: 2}`), containerPath + "livenessProbe.successThreshold", "must be 1"},
		"a hook of the kubelet of nothing":  {ofContainer(`lifecycle: {preStop: {}}`), containerPath + "lifecycle.preStop", "must specify a handler type"},
		"requests beyond the limits":        {ofContainer(`resources: {requests: {cpu: 2}, limits: {cpu: 1}}`), containerPath + "resources.requests", "must be less than or equal to cpu limit"},
		"requests below 0":                  {ofContainer(`resources: {requests: {cpu: "-1"}}`), containerPath + "resources.requests[cpu]", notNegative},
		"requests of an unknown resource":   {ofContainer(`resources: {requests: {gpu: 1}}`), containerPath + "resources.requests[gpu]", "must be a standard resource type"},
		"privileges without their growth":   {ofContainer(`securityContext: {privileged: true, allowPrivilegeEscalation: false}`), containerPath + "securityContext", "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"},
		"an unknown policy of messages":     {ofContainer(`terminationMessagePolicy: Shout`), containerPath + "terminationMessagePolicy", unsupported},
		"an init container of one name":     {ofPod(`initContainers: [{name: main, image: a}]`), podField + "initContainers[0].name", "Duplicate value"},
		"a probe of an init container":      {ofPod(`initContainers: [{name: a, image: a, readinessProbe: {httpGet: {port: 80}}}]`), podField + "initContainers[0].readinessProbe", "may not be set for init containers without restartPolicy=Always"},
		"an image after a blank":            {ofPod(`containers: [{name: main, image: " a"}]`), containerPath + "image", "must not have leading or trailing whitespace"},
		"an unknown resize policy":          {ofContainer(`resizePolicy: [{resourceName: cpu, restartPolicy: Sometimes}]`), containerPath + "resizePolicy", unsupported},
		"a huge page that is not limited":   {ofContainer(`resources: {requests: {hugepages-2Mi: 2Mi}}`), containerPath + "resources.limits", "Limit must be set"},
		"an unknown kind of seccomp":        {ofContainer(`securityContext: {seccompProfile: {type: Some}}`), containerPath + "securityContext.seccompProfile.type", unsupported},
		"a container's user below 0":        {ofContainer(`securityContext: {runAsUser: -1}`), containerPath + "securityContext.runAsUser", "must be between 0 and"},
		"a port of the host and of another": {ofPod(`hostNetwork: true, containers: [{name: main, image: a, ports: [{containerPort: 80, hostPort: 81}]}]`), containerPath + "ports[0].hostPort", "must match `containerPort`"},
	}
}

func refusedVolumes() map[string]refusal {
	const volumes, mounts = podField + "volumes[0]", containerPath + "volumeMounts[0]."
	const claim = `volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]`
	mounted := func(fields string) string {
		return ofPod(`volumes: [{name: a, emptyDir: {}}], containers: [{name: main, image: a, volumeMounts: [` + fields + `]}]`)
	}
	return map[string]refusal{
		"a mount of no volume":       {ofContainer(`volumeMounts: [{name: data, mountPath: /data}]`), mounts + "name", "Not found"},
		"a mount at no path":         {mounted(`{name: a, mountPath: ""}`), mounts + "mountPath", "Required value"},
		"a mount at a relative path": {mounted(`{name: a, mountPath: /a, subPath: /b}`), containerPath + "volumeMounts.subPath", "must be a relative path"},
		"a mount of what is above":   {mounted(`{name: a, mountPath: /a, subPath: ../b}`), containerPath + "volumeMounts.subPath", "must not contain '..'"},
		"a volume of two sources":    {ofPod(`volumes: [{name: a, emptyDir: {}, configMap: {name: b}}]`), volumes + ".configMap", "may not specify more than 1 volume type"},
		"a volume in capitals":       {ofPod(`volumes: [{name: A, emptyDir: {}}]`), volumes + ".name", lowercaseLabel},
		"a volume of a size below 0": {ofPod(`volumes: [{name: a, emptyDir: {sizeLimit: "-1"}}]`), volumes + ".emptyDir.sizeLimit", "must be a valid resource quantity"},
		"a volume of a Secret of no name": {
			ofPod(`volumes: [{name: a, secret: {}}]`), volumes + ".secret.secretName", "Required value",
		},
		"a mount of another name than the claim's": {
			`{spec: {` + claim + `, template: {spec: {containers: [{name: main, image: a, volumeMounts: [{name: date, mountPath: /a}]}]}}}}`,
			mounts + "name", "Not found",
		},
		"a wrong volume after one that a claim replaces": {
			`{spec: {` + claim + `, template: {spec: {volumes: [{name: data, emptyDir: {}}, {name: b, secret: {}}]}}}}`,
			podField + "volumes[1].secret.secretName", "Required value",
		},
	}
}

func refusedPlacement() map[string]refusal {
	const affinity = podField + "affinity."
	return map[string]refusal{
		"a node with a key that is none":  {ofPod(`nodeSelector: {"a b": c}`), podField + "nodeSelector", "name part must consist of"},
		"a toleration of an operator":     {ofPod(`tolerations: [{key: a, operator: Like}]`), podField + "tolerations[0].operator", unsupported},
		"a toleration of a value beside":  {ofPod(`tolerations: [{key: a, operator: Exists, value: b}]`), podField + "tolerations[0].operator", "value must be empty when `operator` is 'Exists'"},
		"an affinity of an operator":      {ofPod(`affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Like}]}]}}}`), affinity + "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator", "not a valid selector operator"},
		"an affinity without a topology":  {ofPod(`affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}, topologyKey: ""}]}}`), affinity + "podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey", "Required value"},
		"a weight of 0":                   {ofPod(`affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: {topologyKey: a}}]}}`), affinity + "podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", "must be in the range 1-100"},
		"a spread of a skew of 0":         {ofPod(`topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]`), podField + "topologySpreadConstraints[0].maxSkew", "must be greater than zero"},
		"a spread of an unknown way out":  {ofPod(`topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: Wait}]`), podField + "topologySpreadConstraints[0].whenUnsatisfiable", unsupported},
		"a scheduler of a name with dots": {ofPod(`nodeName: "a b"`), podField + "nodeName", "lowercase RFC 1123 subdomain"},
	}
}

// TestRefusedManifests counts: whoever takes some out has to say so here.
func TestRefusedManifests(t *testing.T) {
	definition, trial := refusals(), refusedByTrial()
	if len(definition) < 140 || len(trial) < 64 {
		t.Errorf("there are %d manifests that the definition refuses and %d that the webhook does", len(definition), len(trial))
	}
	seen := map[string]string{}
	for _, all := range []map[string]refusal{definition, trial} {
		for name, one := range all {
			key := fmt.Sprint(one)
			if other, found := seen[key]; found {
				t.Errorf("%q and %q are the same", name, other)
			}
			seen[key] = name
		}
	}
}

func TestWebhookRefusesAtCreation(t *testing.T) {
	g := newGuarded(t)
	for name, want := range refusedByTrial() {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, g.try(want.patch), want.field, want.message)
		})
	}
}

// What the definition admits is a good manifest, and so is it for the webhook, which warns of what has no effect.
func TestWebhookAcceptsAtCreation(t *testing.T) {
	g := newGuarded(t)
	for name, patch := range accepted() {
		t.Run(name, func(t *testing.T) {
			if err := g.try(patch); err != nil {
				t.Error(err)
			}
			want := map[string]string{"OnDelete with settings": "no effect of maxSurge, partition"}[name]
			if heard := strings.Join(g.warnings.take(), "; "); !strings.Contains(heard, want) || (want == "" && heard != "") {
				t.Errorf("got the warnings %q, want %q", heard, want)
			}
		})
	}
}
