package inplace

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// SameTemplate tells whether two templates make the same pods. A field that is left out is the same as the default that
// the API server gives it in a pod: a template in which somebody, or a newer CustomResourceDefinition, spells a default
// out is not another template.
func SameTemplate(a, b *corev1.PodTemplateSpec) bool {
	return equality.Semantic.DeepEqual(a, b) ||
		equality.Semantic.DeepEqual(a.ObjectMeta, b.ObjectMeta) && sameSpec(&a.Spec, &b.Spec)
}

func sameSpec(a, b *corev1.PodSpec) bool {
	return equality.Semantic.DeepEqual(a, b) || equality.Semantic.DeepEqual(withDefaults(a), withDefaults(b))
}

// withDefaults returns a copy of a pod spec with the defaults of the API server that do not depend on other fields.
func withDefaults(given *corev1.PodSpec) *corev1.PodSpec {
	spec := given.DeepCopy()
	fill(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	fill(&spec.DNSPolicy, corev1.DNSClusterFirst)
	fill(&spec.SchedulerName, corev1.DefaultSchedulerName)
	point(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	point(&spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	point(&spec.SecurityContext, corev1.PodSecurityContext{})
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			fillContainer(&containers[i])
		}
	}
	for i := range spec.Volumes {
		fillVolume(&spec.Volumes[i].VolumeSource)
	}
	return spec
}

// fill sets what is unset.
func fill[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

func point[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func fillContainer(c *corev1.Container) {
	fill(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	fill(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		fill(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil {
			fillFieldRef(from.FieldRef)
		}
	}
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		fillProbe(probe)
	}
	if c.Lifecycle != nil {
		for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if hook != nil {
				fillHTTP(hook.HTTPGet)
			}
		}
	}
}

func fillProbe(p *corev1.Probe) {
	if p == nil {
		return
	}
	fill(&p.TimeoutSeconds, 1)
	fill(&p.PeriodSeconds, 10)
	fill(&p.SuccessThreshold, 1)
	fill(&p.FailureThreshold, 3)
	fillHTTP(p.HTTPGet)
	if p.GRPC != nil {
		point(&p.GRPC.Service, "")
	}
}

func fillHTTP(get *corev1.HTTPGetAction) {
	if get != nil {
		fill(&get.Path, "/")
		fill(&get.Scheme, corev1.URISchemeHTTP)
	}
}

func fillFieldRef(ref *corev1.ObjectFieldSelector) {
	if ref != nil {
		fill(&ref.APIVersion, "v1")
	}
}

func fillVolume(v *corev1.VolumeSource) {
	switch {
	case v.Secret != nil:
		point(&v.Secret.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	case v.ConfigMap != nil:
		point(&v.ConfigMap.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	case v.HostPath != nil:
		point(&v.HostPath.Type, corev1.HostPathUnset)
	case v.DownwardAPI != nil:
		point(&v.DownwardAPI.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		fillFiles(v.DownwardAPI.Items)
	case v.Projected != nil:
		point(&v.Projected.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
		for i := range v.Projected.Sources {
			fillProjection(&v.Projected.Sources[i])
		}
	}
}

func fillProjection(source *corev1.VolumeProjection) {
	if source.DownwardAPI != nil {
		fillFiles(source.DownwardAPI.Items)
	}
	if source.ServiceAccountToken != nil {
		const hour = int64(3600)
		point(&source.ServiceAccountToken.ExpirationSeconds, hour)
	}
}

func fillFiles(files []corev1.DownwardAPIVolumeFile) {
	for i := range files {
		fillFieldRef(files[i].FieldRef)
	}
}
