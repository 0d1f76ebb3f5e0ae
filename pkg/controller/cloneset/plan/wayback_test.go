package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

const revisionC = "web-c"

// since has a template ask for a restart.
func since(at string, template *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	template.Annotations = map[string]string{appsv1beta1.RestartedAtAnnotation: at}
	return template
}

// turnTo sets another template, of a revision that may be an earlier one.
func (p *pairs) turnTo(revision string, template *corev1.PodTemplateSpec) {
	p.set.Spec.Template = *template
	p.in.Revisions.Update = Revision{Name: revision, Template: template}
	p.in.Revisions.Templates[revision] = template
}

// A container whose turn has not come when an update is taken back has what it is to have. It is left alone, by whatever name it
// asks for its image: the tag alone may have moved.
func TestWayBackBeforeTheTurnOfAContainer(t *testing.T) {
	const noon, evening = "2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z"
	byTag, byDigest := "log:a@"+digestOf("log:a"), "log@"+digestOf("log:a")
	tests := map[string]struct {
		// log is what the container asks for at revision web-a, forth is the update that is begun, and then what comes next.
		log         string
		forth, then *corev1.PodTemplateSpec
		to          string
		// web and left are what the containers ask for after the next patch, and waits tells that log has to be patched still.
		web, left string
		waits     bool
	}{
		"never restarted before":      {"log:a", pair("web:b", "log:b"), pair("web:a", "log:a"), revisionA, "web:a", "log:a", false},
		"restarted once before":       {byTag, pair("web:b", "log:b"), pair("web:a", "log:a"), revisionA, "web:a", byTag, false},
		"restarted twice before":      {byDigest, pair("web:b", "log:b"), pair("web:a", "log:a"), revisionA, "web:a", byDigest, false},
		"to what is as good for it":   {byDigest, pair("web:b", "log:b"), pair("web:c", "log:a"), revisionC, "web:c", byDigest, false},
		"to another image of it":      {byDigest, pair("web:b", "log:b"), pair("web:a", "log:c"), revisionC, "web:a", byDigest, true},
		"on, with the same image":     {byDigest, pair("web:b", "log:b"), pair("web:c", "log:b"), revisionC, "web:c", byDigest, true},
		"from a restart":              {"log:a", since(noon, pair("web:a", "log:a")), pair("web:a", "log:a"), revisionA, "web:a@" + digestOf("web:a"), "log:a", false},
		"from a second restart":       {byTag, since(noon, pair("web:a", "log:a")), pair("web:a", "log:a"), revisionA, "web:a@" + digestOf("web:a"), byTag, false},
		"from a restart to a new one": {byDigest, since(noon, pair("web:a", "log:a")), since(evening, pair("web:b", "log:a")), revisionC, "web:b", byDigest, true},
		"from a restart on to others": {byTag, since(noon, pair("web:a", "log:a")), since(noon, pair("web:b", "log:a")), revisionC, "web:b", byTag, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := pairsTo(t, "web:b", "log:b", webFirst)
			p.turnTo(revisionB, tt.forth)
			p.in.Pods[0].Spec.Containers[1].Image = tt.log
			p.perform("Drain a")
			p.perform("UpdateInPlace a")
			p.turnTo(tt.to, tt.then)
			p.perform("UpdateInPlace a")
			p.expectImages(tt.web, tt.left)
			p.kubelet("web", 2, tt.web)
			if tt.waits {
				p.perform("UpdateInPlace a")
				if p.in.Pods[0].Spec.Containers[1].Image == tt.left {
					t.Error("log is never restarted")
				}
				return
			}
			p.perform("Confirm a")
			p.expectImages(tt.web, tt.left)
		})
	}
}

// Where the way back is to a revision for which other digests were recorded, the containers get those.
func TestWayBackToAPinnedDigest(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst, inPlaceAs(pinning))
	p.turnTo(revisionB, pair("web:b", "log:b"))
	p.in = withHistory(p.in)
	p.in.Revisions.History[0].Annotations = map[string]string{
		appsv1beta1.DigestsAnnotation: `{"web:a":"sha256:a","log:a":"sha256:recorded"}`,
	}
	p.in.Revisions.History[1].Annotations = map[string]string{
		appsv1beta1.DigestsAnnotation: `{"web:b":"sha256:b","log:b":"sha256:b"}`,
	}
	p.in.Pods[0].Spec.Containers[1].Image = "log@sha256:another"
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.turnTo(revisionA, pair("web:a", "log:a"))
	p.perform("UpdateInPlace a")
	p.expectImages("web:a@sha256:a", "log@sha256:another")
	p.kubelet("web", 2, "web:a")
	p.perform("UpdateInPlace a")
	p.expectImages("web:a@sha256:a", "log:a@sha256:recorded")
}

// The revision that a container which waits for its turn still has the image of is kept, though no pod is at it.
func TestRevisionOfAPendingContainerIsKept(t *testing.T) {
	p := pairsTo(t, "web:b", "log:b", webFirst)
	p.perform("Drain a")
	p.perform("UpdateInPlace a")
	p.in.Pods = p.in.Pods[:1]
	p.set.Spec.RevisionHistoryLimit = new(int32(0))
	p.in.Revisions.Current = p.in.Revisions.Update
	p.in.Revisions.History = revisionsNamed(revisionA, revisionB, revisionC)
	var deleted []*appsv1.ControllerRevision
	for _, a := range Compute(p.in).Actions {
		if a.Kind == DeleteRevision {
			deleted = append(deleted, a.Revision)
		}
	}
	if diff := cmp.Diff(p.in.Revisions.History[2:], deleted); diff != "" {
		t.Errorf("revisions that are deleted (-want +got):\n%s", diff)
	}
}
