package inplace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/insitu-dev/insitu/pkg/inplace"
)

// template returns the template that the changes of these tests start from.
func template() *corev1.PodTemplateSpec {
	always := corev1.ContainerRestartPolicyAlways
	t := &corev1.PodTemplateSpec{}
	t.Labels = map[string]string{"app": "web", "tier": "front"}
	t.Annotations = map[string]string{"note": "one"}
	t.Spec = corev1.PodSpec{
		InitContainers: []corev1.Container{
			{Name: "setup", Image: "setup:1"},
			{Name: "proxy", Image: "proxy:1", RestartPolicy: &always},
		},
		Containers: []corev1.Container{
			{
				Name: "web", Image: "web:1",
				Env: []corev1.EnvVar{{Name: "MODE", Value: "a"}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
				},
			},
			{Name: "log", Image: "log:1"},
		},
	}
	return t
}

// edited returns the template after a change.
func edited(edits ...func(*corev1.PodTemplateSpec)) *corev1.PodTemplateSpec {
	t := template()
	for _, edit := range edits {
		edit(t)
	}
	return t
}

func TestCompareFindsWhatForcesANewPod(t *testing.T) {
	tests := map[string]struct {
		edit func(*corev1.PodTemplateSpec)
		want string
	}{
		"finalizer": {
			func(t *corev1.PodTemplateSpec) { t.Finalizers = []string{"example.com/hold"} },
			"spec.template.metadata.finalizers",
		},
		"value of an environment variable": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Env[0].Value = "b" },
			"spec.template.spec.containers[0].env[0].value",
		},
		"further environment variable": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers[1].Env = []corev1.EnvVar{{Name: "X", Value: "1"}} },
			"spec.template.spec.containers[1].env",
		},
		"readiness probe": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 5} },
			"spec.template.spec.containers[0].readinessProbe",
		},
		"probe of a sidecar": {
			func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[1].StartupProbe = &corev1.Probe{} },
			"spec.template.spec.initContainers[1].startupProbe",
		},
		"volume": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Volumes = []corev1.Volume{{Name: "data"}} },
			"spec.template.spec.volumes",
		},
		"container added at the end": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: "extra", Image: "extra:1"})
			},
			"spec.template.spec.containers[2]",
		},
		"last container removed": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers = t.Spec.Containers[:1] },
			"spec.template.spec.containers[1]",
		},
		"containers reordered": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers[0], t.Spec.Containers[1] = t.Spec.Containers[1], t.Spec.Containers[0]
				t.Spec.Containers[0].Env, t.Spec.Containers[1].Env = nil, nil
			},
			"spec.template.spec.containers[0].env",
		},
		"container renamed": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Containers[1].Name = "logger" },
			"spec.template.spec.containers[1].name",
		},
		"container replaced by one of another image": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers[1] = corev1.Container{Name: "audit", Image: "audit:1"}
			},
			"spec.template.spec.containers[1].name",
		},
		"init container added": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.InitContainers = append(t.Spec.InitContainers, corev1.Container{Name: "more", Image: "more:1"})
			},
			"spec.template.spec.initContainers[2]",
		},
		"sidecar made an ordinary init container": {
			func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[1].RestartPolicy = nil },
			"spec.template.spec.initContainers[1].restartPolicy",
		},
		"toleration": {
			func(t *corev1.PodTemplateSpec) { t.Spec.Tolerations = []corev1.Toleration{{Key: "spot"}} },
			"spec.template.spec.tolerations",
		},
		"security context": {
			func(t *corev1.PodTemplateSpec) {
				user := int64(1000)
				t.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user}
			},
			"spec.template.spec.securityContext.runAsUser",
		},
		"a quantity written otherwise before the field that forces": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1000m")
				t.Spec.Tolerations = []corev1.Toleration{{Key: "spot"}}
			},
			"spec.template.spec.tolerations",
		},
		"an image beside the field that forces": {
			func(t *corev1.PodTemplateSpec) {
				t.Spec.Containers[0].Image = "web:2"
				t.Spec.Containers[0].TTY = true
			},
			"spec.template.spec.containers[0].tty",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(template(), edited(tt.edit))
			if change.Field != tt.want || change.InPlace() {
				t.Errorf("got field %q (in place: %t), want %q", change.Field, change.InPlace(), tt.want)
			}
			if back := inplace.Compare(edited(tt.edit), template()); back.InPlace() {
				t.Error("the way back is said to be possible in place")
			}
		})
	}
}

func TestCompareFindsImages(t *testing.T) {
	tests := map[string]struct {
		edit     func(*corev1.PodTemplateSpec)
		want     []inplace.Image
		restarts bool
		latent   []string
	}{
		"container": {
			edit:     func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "web:2" },
			want:     []inplace.Image{{Container: "web", Image: "web:2", Restarts: true}},
			restarts: true,
		},
		"native sidecar": {
			edit:     func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[1].Image = "proxy:2" },
			want:     []inplace.Image{{Container: "proxy", Image: "proxy:2", Init: true, Restarts: true}},
			restarts: true,
		},
		"ordinary init container": {
			edit:   func(t *corev1.PodTemplateSpec) { t.Spec.InitContainers[0].Image = "setup:2" },
			want:   []inplace.Image{{Container: "setup", Image: "setup:2", Init: true}},
			latent: []string{"setup"},
		},
		"all of them": {
			edit: func(t *corev1.PodTemplateSpec) {
				t.Spec.InitContainers[0].Image, t.Spec.InitContainers[1].Image = "setup:2", "proxy:2"
				t.Spec.Containers[0].Image, t.Spec.Containers[1].Image = "web:2", "log:2"
			},
			want: []inplace.Image{
				{Container: "setup", Image: "setup:2", Init: true},
				{Container: "proxy", Image: "proxy:2", Init: true, Restarts: true},
				{Container: "web", Image: "web:2", Restarts: true},
				{Container: "log", Image: "log:2", Restarts: true},
			},
			restarts: true,
			latent:   []string{"setup"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(template(), edited(tt.edit))
			if !change.InPlace() {
				t.Fatalf("needs a new pod because of %s", change.Field)
			}
			if diff := cmp.Diff(tt.want, change.Images); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
			if change.Restarts() != tt.restarts {
				t.Errorf("restarts: got %t, want %t", change.Restarts(), tt.restarts)
			}
			if diff := cmp.Diff(tt.latent, change.Latent()); diff != "" {
				t.Errorf("latent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareFindsLabelsAndAnnotations(t *testing.T) {
	change := inplace.Compare(template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Labels = map[string]string{"app": "web", "tier": "back", "team": ""}
		t.Annotations = nil
	}))
	back, empty := "back", ""
	if diff := cmp.Diff(map[string]*string{"tier": &back, "team": &empty}, change.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]*string{"note": nil}, change.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if !change.InPlace() || change.Restarts() {
		t.Errorf("in place: %t, restarts: %t; want in place without a restart", change.InPlace(), change.Restarts())
	}
}

func TestCompareTakesEqualMeaningForEqual(t *testing.T) {
	tests := map[string]func(*corev1.PodTemplateSpec){
		"nothing": func(*corev1.PodTemplateSpec) {},
		"1 CPU as 1000m": func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1000m")
		},
		"no volumes as an empty list": func(t *corev1.PodTemplateSpec) { t.Spec.Volumes = []corev1.Volume{} },
		"no node selector as an empty map": func(t *corev1.PodTemplateSpec) {
			t.Spec.NodeSelector = map[string]string{}
		},
		"no finalizers as an empty list": func(t *corev1.PodTemplateSpec) { t.Finalizers = []string{} },
		"no arguments as an empty list":  func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Args = []string{} },
	}
	for name, edit := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(template(), edited(edit))
			if !change.InPlace() || len(change.Images)+len(change.Labels)+len(change.Annotations) > 0 {
				t.Errorf("found a change: %+v", change)
			}
		})
	}
}

// The kubelet sets the environment when it makes a container: one that is not restarted would go on with the old value.
func TestCompareKnowsEnvironmentReadFromMetadata(t *testing.T) {
	reads := func(init bool, path string) func(*corev1.PodTemplateSpec) {
		return func(t *corev1.PodTemplateSpec) {
			env := []corev1.EnvVar{{Name: "META", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: path},
			}}}
			if init {
				t.Spec.InitContainers[1].Env = env
			} else {
				t.Spec.Containers[1].Env = env
			}
		}
	}
	setTier := func(t *corev1.PodTemplateSpec) { t.Labels["tier"] = "back" }
	setNote := func(t *corev1.PodTemplateSpec) { t.Annotations["note"] = "two" }
	dropNote := func(t *corev1.PodTemplateSpec) { t.Annotations = nil }
	tests := map[string]struct {
		reads, edit func(*corev1.PodTemplateSpec)
		want        string
	}{
		"changed label that is read":         {reads(false, "metadata.labels['tier']"), setTier, "spec.template.metadata.labels[tier]"},
		"changed label that a sidecar reads": {reads(true, "metadata.labels['tier']"), setTier, "spec.template.metadata.labels[tier]"},
		"changed label that is not read":     {reads(false, "metadata.labels['app']"), setTier, ""},
		"changed annotation that is read":    {reads(false, "metadata.annotations['note']"), setNote, "spec.template.metadata.annotations[note]"},
		"removed annotation that is read":    {reads(false, "metadata.annotations['note']"), dropNote, "spec.template.metadata.annotations[note]"},
		"label of an annotation's name":      {reads(false, "metadata.labels['note']"), setNote, ""},
		"another field":                      {reads(false, "status.podIP"), setTier, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			change := inplace.Compare(edited(tt.reads), edited(tt.reads, tt.edit))
			if change.Field != tt.want {
				t.Errorf("got field %q, want %q", change.Field, tt.want)
			}
		})
	}
}

func TestCompareChangesNoTemplate(t *testing.T) {
	old, target := template(), edited(func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Image, t.Spec.InitContainers[1].Image = "web:2", "proxy:2"
		t.Spec.Containers[1].TTY = true
	})
	wantOld, wantTarget := old.DeepCopy(), target.DeepCopy()
	inplace.Compare(old, target)
	if diff := cmp.Diff(wantOld, old); diff != "" {
		t.Errorf("old template changed:\n%s", diff)
	}
	if diff := cmp.Diff(wantTarget, target); diff != "" {
		t.Errorf("new template changed:\n%s", diff)
	}
}
