package main

import "errors"

// Sizes within which the API server can bound the cost of the CEL rules. A label's value has at most 63 characters and
// its key at most 317 (a prefix of 253, a slash, a name of 63) anyway; the numbers are beyond what pods are seen with.
const (
	maxLabels          = 64
	maxRequirements    = 16
	maxContainers      = 64
	maxLabelLength     = 63
	maxQualifiedLength = 317
)

// Numbers of an int32 and an int64. The latter is the largest that both a float64 and an int64 hold exactly.
const (
	maxInt32 float64 = 1<<31 - 1
	minInt32 float64 = -1 << 31
	maxInt64 float64 = 1<<63 - 1<<10
)

// limitForCEL bounds the lists and maps that the CEL rules go through.
func limitForCEL(root *schema) error {
	return errors.Join(
		change(root, limitLabels, "spec", "selector", "matchLabels"),
		change(root, limitRequirements, "spec", "selector", "matchExpressions"),
		change(root, limitLabels, "spec", "template", "metadata", "labels"),
		change(root, limitContainers, "spec", "template", "spec", "containers"),
		change(root, limitContainers, "spec", "template", "spec", "initContainers"),
	)
}

func limitLabels(labels *schema) error {
	labels.MaxProperties = new(int64(maxLabels))
	labels.AdditionalProperties.Schema.MaxLength = new(int64(maxLabelLength))
	return nil
}

func limitContainers(containers *schema) error {
	containers.MaxItems = new(int64(maxContainers))
	return nil
}

func limitRequirements(requirements *schema) error {
	requirements.MaxItems = new(int64(maxRequirements))
	return errors.Join(
		change(requirements, func(key *schema) error {
			key.MaxLength = new(int64(maxQualifiedLength))
			return nil
		}, "[]", "key"),
		change(requirements, func(values *schema) error {
			values.MaxItems = new(int64(maxLabels))
			values.Items.Schema.MaxLength = new(int64(maxLabelLength))
			return nil
		}, "[]", "values"),
	)
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
