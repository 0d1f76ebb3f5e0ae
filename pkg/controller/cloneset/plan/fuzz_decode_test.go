package plan

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/yaml"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// FuzzDecode reads CloneSets as they come from an API server. Whatever can be read is written and read again as the same,
// is judged, and is planned for, without a panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range examples(f) {
		f.Add(seed)
	}
	f.Add([]byte(`{"spec":{"replicas":null,"selector":{"matchExpressions":[{"key":"a","operator":"In"}]},"template":{}}}`))
	f.Add([]byte(`{"spec":{"updateStrategy":{"rollingUpdate":{"partition":"10%","maxUnavailable":-1,"maxSurge":1e3}}}}`))
	f.Add([]byte(`{"metadata":{"name":"web"},"spec":{"lifecycle":{"preDelete":{}},"volumeClaimTemplates":[{}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set := &appsv1beta1.CloneSet{}
		if json.Unmarshal(data, set) != nil {
			return
		}
		checkRoundTrip(t, set)
		before := set.DeepCopy()
		errs := Validate(set)
		in := inputOf(set, old("web-1"), old("web-2"))
		in.Revisions.Update.Template = &set.Spec.Template
		in.Revisions.Templates = map[string]*corev1.PodTemplateSpec{revisionB: &set.Spec.Template}
		if p := Compute(in); len(errs) > 0 && len(p.Actions) > 0 {
			t.Errorf("an invalid spec gives %v", deeds(p))
		}
		NewPod(set, Revision{Name: revisionB, Template: &set.Spec.Template}, "web-x")
		if !equality.Semantic.DeepEqual(before, set) {
			t.Error("the CloneSet was changed")
		}
	})
}

// checkRoundTrip checks that nothing is lost when a CloneSet is written and read.
func checkRoundTrip(t *testing.T, set *appsv1beta1.CloneSet) {
	t.Helper()
	first, err := json.Marshal(set)
	if err != nil {
		return // There are quantities and times that can be read but not written.
	}
	again := &appsv1beta1.CloneSet{}
	if err := json.Unmarshal(first, again); err != nil {
		t.Fatalf("%s cannot be read again: %v", first, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
		t.Errorf("%s became %s, and the error %v", first, second, err)
	}
	if !equality.Semantic.DeepEqual(set.DeepCopy(), set) {
		t.Error("a copy is not equal")
	}
}

// examples returns the CloneSets among the examples, as JSON.
func examples(f *testing.F) [][]byte {
	f.Helper()
	files, err := filepath.Glob("../../../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("there are no examples: %v", err)
	}
	var found [][]byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for document := range bytes.SplitSeq(content, []byte("\n---\n")) {
			raw, err := yaml.ToJSON(document)
			if err != nil {
				f.Fatal(err)
			}
			if bytes.Contains(raw, []byte(`"kind":"CloneSet"`)) {
				found = append(found, raw)
			}
		}
	}
	return found
}
