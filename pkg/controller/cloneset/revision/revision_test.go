package revision_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// cloneSet returns a CloneSet whose template has a bit of everything that is stored in more than one way.
func cloneSet() *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "uid-web"}}
	set.Spec.Template.Labels = map[string]string{"app": "web"}
	set.Spec.Template.Annotations = map[string]string{"note": "one"}
	always := corev1.ContainerRestartPolicyAlways
	set.Spec.Template.Spec = corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "proxy", Image: "proxy:1", RestartPolicy: &always}},
		Containers: []corev1.Container{{
			Name: "web", Image: "app:a",
			Env: []corev1.EnvVar{{Name: "MODE", Value: "a"}},
			Resources: corev1.ResourceRequirements{
				Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
			},
		}},
		Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}
	return set
}

const storedV1 = "testdata/revision-v1.json"

// A revision that this release stored is found equal by later ones, whatever becomes of types, libraries and the hash:
// an upgrade of the manager never rolls a pod. The file must not change.
func TestRevisionOfVersion1IsFoundEqual(t *testing.T) {
	data, err := os.ReadFile(storedV1)
	if err != nil {
		t.Fatal(err)
	}
	stored := &appsv1.ControllerRevision{}
	if err := json.Unmarshal(data, stored); err != nil {
		t.Fatal(err)
	}
	template, err := revision.Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if set := cloneSet(); !revision.Equal(template, &set.Spec.Template) {
		t.Errorf("differs (-stored +now):\n%s", cmp.Diff(template, &set.Spec.Template))
	}
}

// Names are compared in a release of its own: a change of them rolls no pod, but makes revisions anew. The order of keys
// means nothing.
func TestRevisionIsStoredAsInVersion1(t *testing.T) {
	fresh, err := revision.New(cloneSet(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(fresh)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(storedV1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, got)); diff != "" {
		t.Errorf("revision (-want +got):\n%s", diff)
	}
}

func decoded(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// The bytes are those that the API server makes of them when it patches a revision. It refuses patches otherwise.
func TestKeysAreSorted(t *testing.T) {
	set := cloneSet()
	user := int64(1<<62 + 1)
	set.Spec.Template.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user}
	set.Spec.Template.Spec.Containers[0].Args = []string{"a < b && c"}
	fresh, err := revision.New(set, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := utiljson.Unmarshal(fresh.Data.Raw, &value); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(value)
	if err != nil || string(again) != string(fresh.Data.Raw) {
		t.Errorf("%v: got\n%s, which comes back as\n%s", err, fresh.Data.Raw, again)
	}
	if template, err := revision.Decode(fresh); err != nil || !revision.Equal(template, &set.Spec.Template) {
		t.Errorf("%v: got another template:\n%s", err, cmp.Diff(template, &set.Spec.Template))
	}
}

func TestEqualIsAboutMeaning(t *testing.T) {
	same := map[string]func(*corev1.PodTemplateSpec){
		"1Gi as 1024Mi": func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("1024Mi")
		},
		"an empty list":                 func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Args = []string{} },
		"an empty map":                  func(t *corev1.PodTemplateSpec) { t.Spec.NodeSelector = map[string]string{} },
		"a default that is spelled out": func(t *corev1.PodTemplateSpec) { t.Spec.DNSPolicy = corev1.DNSClusterFirst },
		"a time that is unset":          func(t *corev1.PodTemplateSpec) { t.CreationTimestamp = metav1.Time{} },
	}
	for name, edit := range same {
		set, other := cloneSet(), cloneSet()
		edit(&other.Spec.Template)
		if !revision.Equal(&set.Spec.Template, &other.Spec.Template) {
			t.Errorf("%s makes another revision", name)
		}
	}
	different := map[string]func(*corev1.PodTemplateSpec){
		"an image":      func(t *corev1.PodTemplateSpec) { t.Spec.Containers[0].Image = "app:b" },
		"a label":       func(t *corev1.PodTemplateSpec) { t.Labels["app"] = "db" },
		"an annotation": func(t *corev1.PodTemplateSpec) { delete(t.Annotations, "note") },
		"a quantity": func(t *corev1.PodTemplateSpec) {
			t.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("1G")
		},
	}
	for name, edit := range different {
		set, other := cloneSet(), cloneSet()
		edit(&other.Spec.Template)
		if revision.Equal(&set.Spec.Template, &other.Spec.Template) {
			t.Errorf("%s makes no other revision", name)
		}
	}
}

func TestDecodeRefusesWhatIsNoTemplate(t *testing.T) {
	for _, raw := range []string{"", "{", `{"spec":{"template":{"spec":{"containers":7}}}}`} {
		if _, err := revision.Decode(&appsv1.ControllerRevision{Data: runtime.RawExtension{Raw: []byte(raw)}}); err == nil {
			t.Errorf("%q is decoded", raw)
		}
	}
}

func TestCollisionsAreInTheName(t *testing.T) {
	names := map[string]bool{}
	for collisions := range int32(3) {
		fresh, err := revision.New(cloneSet(), 1, collisions)
		if err != nil {
			t.Fatal(err)
		}
		names[fresh.Name] = true
	}
	if len(names) != 3 {
		t.Errorf("got %d names of 3: %v", len(names), names)
	}
}
