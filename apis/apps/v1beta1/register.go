package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind of this package.
var GroupVersion = schema.GroupVersion{Group: "apps.insitu.dev", Version: "v1beta1"}

// CloneSetKind is the kind of a CloneSet, as owner references name it.
var CloneSetKind = GroupVersion.WithKind("CloneSet")

// AddToScheme registers the kinds of this package with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &CloneSet{}, &CloneSetList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
