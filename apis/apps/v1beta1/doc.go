// Package v1beta1 is the API of insitu: the CloneSet, which upgrades its pods in place.
//
// The package imports nothing but k8s.io/api and k8s.io/apimachinery, so that any program can use it.
//
// +kubebuilder:object:generate=true
// +groupName=apps.insitu.dev
package v1beta1
