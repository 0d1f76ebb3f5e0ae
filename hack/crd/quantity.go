package main

import (
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The exponents of a resource quantity as controller-gen writes them, and those that a quantity can have.
const (
	anyExponent   = `([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+)))`
	shortExponent = `([eE](\+|-)?[0-9]{1,3})`
)

// quantity is the schema of a resource quantity: a string or any number, as in a Deployment. The usual schema of an
// integer or a string refuses "cpu: 0.5". There is none for a number or a string, so this one takes any value and then
// excludes what is neither.
func quantity(description, pattern string) schema {
	s := schema{
		Description:            description,
		XPreserveUnknownFields: new(true),
		Pattern:                strings.Replace(pattern, anyExponent, shortExponent, 1),
		Not:                    &schema{Enum: []apiextensionsv1.JSON{{Raw: []byte("true")}, {Raw: []byte("false")}}},
	}
	excludeLists(&s)
	excludeObjects(&s)
	return s
}

// excludeLists asks for at least one item and for none.
func excludeLists(s *schema) {
	s.MinItems, s.MaxItems = new(int64(1)), new(int64(0))
}

// excludeObjects asks for at least one property and for none.
func excludeObjects(s *schema) {
	s.MinProperties, s.MaxProperties = new(int64(1)), new(int64(0))
}
