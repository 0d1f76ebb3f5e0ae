package main

import (
	"errors"
	"strconv"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Sizes within which the API server can bound the cost of the CEL rules. A label's value has at most 63 characters and
// its key at most 317 (a prefix of 253, a slash, a name of 63) anyway; the numbers are beyond what pods are seen with.
const (
	maxLabels          = 64
	maxRequirements    = 16
	maxContainers      = 64
	maxLabelLength     = 63
	maxQualifiedLength = 317
	maxNameLength      = 63
)

// What a label's key, its value and a name within a pod look like.
const (
	labelKey = `^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?` +
		`[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	labelValue = `^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
	dnsLabel   = `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
)

// Numbers of an int32 and an int64. The latter is the largest that both a float64 and an int64 hold exactly.
const (
	maxInt32 float64 = 1<<31 - 1
	minInt32 float64 = -1 << 31
	maxInt64 float64 = 1<<63 - 1<<10
)

// limitForCEL bounds the lists and maps that the CEL rules go through.
func limitForCEL(root *schema) error {
	pod := []string{"spec", "template", "spec"}
	hooks := []string{"spec", "lifecycle"}
	weighed := []string{"spec", "updateStrategy", "rollingUpdate", "priorityStrategy", "weightPriority", "[]", "matchSelector"}
	return errors.Join(
		change(root, limitSelector, "spec", "selector"),
		change(root, limitSelector, weighed...),
		change(root, limitLabels, "spec", "template", "metadata", "labels"),
		change(root, limitContainers, append(pod, "containers")...),
		change(root, limitContainers, append(pod, "initContainers")...),
		change(root, limitValues, append(hooks, "preNormal", "labelsHandler")...),
		change(root, limitValues, append(hooks, "inPlaceUpdate", "labelsHandler")...),
		change(root, limitValues, append(hooks, "preDelete", "labelsHandler")...),
	)
}

func limitSelector(selector *schema) error {
	return errors.Join(
		change(selector, limitLabels, "matchLabels"),
		change(selector, limitRequirements, "matchExpressions"),
	)
}

func limitLabels(labels *schema) error {
	labels.MaxProperties = new(int64(maxLabels))
	return limitValues(labels)
}

func limitValues(labels *schema) error {
	limitValue(labels.AdditionalProperties.Schema)
	return nil
}

func limitValue(value *schema) {
	value.MaxLength = new(int64(maxLabelLength))
	value.Pattern = labelValue
}

func limitContainers(containers *schema) error {
	containers.MaxItems = new(int64(maxContainers))
	return change(containers, limitName, "[]", "name")
}

func limitName(name *schema) error {
	name.MaxLength = new(int64(maxNameLength))
	name.Pattern = dnsLabel
	return nil
}

// limitRequirements also leaves those operators alone that a selector of labels has.
func limitRequirements(requirements *schema) error {
	requirements.MaxItems = new(int64(maxRequirements))
	return errors.Join(
		change(requirements, func(key *schema) error {
			key.MaxLength = new(int64(maxQualifiedLength))
			key.Pattern = labelKey
			return nil
		}, "[]", "key"),
		change(requirements, func(operator *schema) error {
			operator.Enum = enum("In", "NotIn", "Exists", "DoesNotExist")
			return nil
		}, "[]", "operator"),
		change(requirements, func(values *schema) error {
			values.MaxItems = new(int64(maxLabels))
			limitValue(values.Items.Schema)
			return nil
		}, "[]", "values"),
	)
}

func enum(values ...string) []apiextensionsv1.JSON {
	var all []apiextensionsv1.JSON
	for _, value := range values {
		all = append(all, apiextensionsv1.JSON{Raw: strconv.AppendQuote(nil, value)})
	}
	return all
}

// makeDecodable refuses values that fit the schema but not the Go type: one stored object that cannot be decoded
// would keep the manager from listing all the others. (The formats int32 and int64 alone are not checked by every
// API server, and its message about them does not name the field.)
func makeDecodable(s *schema) {
	switch {
	case s.Type == "integer" && s.Format == "int64":
		bound(s, -maxInt64, maxInt64)
	case s.Type == "integer", s.XIntOrString && s.Pattern == "":
		bound(s, minInt32, maxInt32)
	case s.Format == "date-time":
		// With a format, the API server takes a list for a string.
		excludeLists(s)
	case s.XIntOrString:
		*s = quantity(s.Description, s.Pattern)
	}
}

// bound keeps the limits that s has.
func bound(s *schema, lowest, highest float64) {
	if s.Minimum == nil {
		s.Minimum = &lowest
	}
	if s.Maximum == nil {
		s.Maximum = &highest
	}
}
