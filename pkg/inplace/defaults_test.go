package inplace_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// spelled are changes of the template that spell a default out.
func spelled() map[string]func(*corev1.PodTemplateSpec) {
	return map[string]func(*corev1.PodTemplateSpec){
		"restart policy":    func(t *corev1.PodTemplateSpec) { t.Spec.RestartPolicy = corev1.RestartPolicyAlways },
		"DNS policy":        func(t *corev1.PodTemplateSpec) { t.Spec.DNSPolicy = corev1.DNSClusterFirst },
		"scheduler":         func(t *corev1.PodTemplateSpec) { t.Spec.SchedulerName = "default-scheduler" },
		"grace period":      func(t *corev1.PodTemplateSpec) { t.Spec.TerminationGracePeriodSeconds = new(int64(30)) },
		"service links":     func(t *corev1.PodTemplateSpec) { t.Spec.EnableServiceLinks = new(true) },
		"security context":  func(t *corev1.PodTemplateSpec) { t.Spec.SecurityContext = &corev1.PodSecurityContext{} },
		"message's path":    func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].TerminationMessagePath = "/dev/termination-log" },
		"message's policy":  func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[1].TerminationMessagePolicy = "File" },
		"protocol":          func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Ports[0].Protocol = corev1.ProtocolTCP },
		"probe's path":      func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].ReadinessProbe.HTTPGet.Path = "/" },
		"probe's period":    func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].ReadinessProbe.PeriodSeconds = 10 },
		"probe's threshold": func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].ReadinessProbe.FailureThreshold = 3 },
		"mode of files":     func(t *corev1.PodTemplateSpec) { t.Spec.Volumes[0].ConfigMap.DefaultMode = new(int32(0o644)) },
		"expiration of a token": func(t *corev1.PodTemplateSpec) {
			t.Spec.Volumes[1].Projected.Sources[0].ServiceAccountToken.ExpirationSeconds = new(int64(3600))
		},
		"version of a field": func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Env[0].ValueFrom.FieldRef.APIVersion = "v1"
		},
	}
}

// bare is a template that leaves defaults out.
func bare(t *corev1.PodTemplateSpec) {
	web := &t.Spec.Containers[0]
	web.Env = []corev1.EnvVar{{
		Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}},
	}}
	web.Ports = []corev1.ContainerPort{{ContainerPort: 80}}
	web.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{}}}
	t.Spec.Volumes = []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
		{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}},
		}}},
	}
}

func TestDefaultThatIsSpelledOutIsNoChange(t *testing.T) {
	image := func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "web:2" }
	for name, spell := range spelled() {
		t.Run(name, func(t *testing.T) {
			without, with := edited(bare), edited(bare, spell)
			if !inplace.SameTemplate(without, with) || !inplace.SameTemplate(with, without) {
				t.Error("it makes another template")
			}
			for _, change := range []inplace.Change{
				inplace.Compare(without, edited(bare, spell, image)), inplace.Compare(with, edited(bare, image)),
			} {
				if !change.InPlace() || len(change.Images) != 1 {
					t.Errorf("with a new image beside it: %+v", change)
				}
			}
		})
	}
}

func TestOtherValueThanTheDefaultIsAChange(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*corev1.PodTemplateSpec)
		want string
	}{
		"grace period": {
			func(t *corev1.PodTemplateSpec) { t.Spec.TerminationGracePeriodSeconds = new(int64(31)) },
			"spec.template.spec.terminationGracePeriodSeconds",
		},
		"protocol": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Ports[0].Protocol = corev1.ProtocolUDP },
			"spec.template.spec.containers[0].ports[0].protocol",
		},
		"label": {func(t *corev1.PodTemplateSpec) { t.Labels["app"] = "other" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if inplace.SameTemplate(edited(bare), edited(bare, c.edit)) {
				t.Error("it makes no other template")
			}
			if change := inplace.Compare(edited(bare), edited(bare, c.edit)); change.Field != c.want {
				t.Errorf("got field %q, want %q", change.Field, c.want)
			}
		})
	}
}
