package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// claimWorld is a world in which nothing is told but what becomes of pods and of claims.
type claimWorld struct {
	*rapid.T
	set    *appsv1beta1.CloneSet
	pods   map[string]*corev1.Pod
	claims map[string]*corev1.PersistentVolumeClaim
	serial int
	// templates are those that there were, by revision.
	templates map[string]*corev1.PodTemplateSpec
	// lost are the claims that were deleted.
	lost []string
}

func newClaimWorld(t *rapid.T, edits ...edit) *claimWorld {
	replicas := rapid.IntRange(1, 4).Draw(t, "replicas")
	edits = append(edits, withTemplates("data", "logs"), maxUnavailableOf(rapid.IntRange(1, 4).Draw(t, "maxUnavailable")))
	return &claimWorld{
		T: t, set: cloneSet(replicas, edits...), pods: map[string]*corev1.Pod{},
		claims: map[string]*corev1.PersistentVolumeClaim{}, templates: map[string]*corev1.PodTemplateSpec{},
	}
}

// revision returns the name of the revision of the template.
func (w *claimWorld) revision() string {
	return fmt.Sprintf("web-r%d", len(w.set.Spec.Template.Spec.Containers[0].Env))
}

// some draws one of the pods, or nil.
func (w *claimWorld) some() *corev1.Pod {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range w.pods {
			if !yield(name) {
				return
			}
		}
	})
	if len(names) == 0 {
		return nil
	}
	return w.pods[rapid.SampledFrom(names).Draw(w.T, "pod")]
}

func (w *claimWorld) observe() Input {
	in := inputOf(w.set)
	in.Revisions.Update.Name, in.Revisions.Templates = w.revision(), w.templates
	in.Revisions.Templates[w.revision()] = w.set.Spec.Template.DeepCopy()
	in.Revisions.Current = in.Revisions.Update
	for _, pod := range w.pods {
		in.Pods = append(in.Pods, pod)
	}
	for _, claim := range w.claims {
		in.Claims = append(in.Claims, claim)
	}
	return in
}

// pass does what is planned, or some of it, in any order: the controller may end after any write.
func (w *claimWorld) pass(all bool) int {
	actions := Compute(w.observe()).Actions
	order := rand.New(rand.NewPCG(rapid.Uint64().Draw(w.T, "order"), 0))
	order.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	if !all && len(actions) > 0 {
		actions = actions[:rapid.IntRange(0, len(actions)).Draw(w.T, "writes")]
	}
	for i := range actions {
		w.perform(&actions[i])
	}
	return len(actions)
}

func (w *claimWorld) perform(a *Action) {
	w.serial++
	switch a.Kind {
	case CreatePod:
		if w.pods[a.Pod.Name] != nil {
			w.Fatalf("pod %s is made while there is one of that name", a.Pod.Name)
		}
		pod := a.Pod.DeepCopy()
		pod.UID = types.UID(fmt.Sprintf("uid-%d", w.serial))
		pod.Spec.NodeName = []string{"", "node-1"}[w.serial%2]
		w.pods[pod.Name] = pod
	case CreateClaim:
		claim := a.Claim.DeepCopy()
		claim.UID, claim.ResourceVersion = types.UID(fmt.Sprintf("uid-%d", w.serial)), "1"
		w.claims[claim.Name] = claim
	case AssignClaim:
		patched, err := testpods.PatchedClaim(a.Claim, a.Patch)
		if err != nil {
			w.Fatal(err)
		}
		w.claims[a.Claim.Name] = patched
	case DeleteClaim:
		w.lose(a.Claim.Name)
	case ScaleIn, DeleteSpecified, Recreate, CleanUp:
		w.delete(a.Pod)
	case Serve:
		serve(w.pods[a.Pod.Name])
	default:
		w.Fatalf("unexpected: %s", a)
	}
}

func serve(pod *corev1.Pod) {
	if pod != nil && pod.Status.Phase != corev1.PodFailed {
		pod.Status.Phase = corev1.PodRunning
		testpods.Serving()(pod)
	}
}

func (w *claimWorld) delete(pod *corev1.Pod) {
	if pod != nil && w.pods[pod.Name] != nil && w.pods[pod.Name].UID == pod.UID {
		gone := w.pods[pod.Name].DeepCopy()
		terminating(gone)
		w.pods[pod.Name] = gone
	}
}

func (w *claimWorld) lose(name string) {
	delete(w.claims, name)
	w.lost = append(w.lost, name)
}

// end lets the pods that terminate, or one of them, end.
func (w *claimWorld) end(all bool) bool {
	pods := w.pods
	if pod := w.some(); !all && pod != nil {
		pods = map[string]*corev1.Pod{pod.Name: pod}
	}
	ended := false
	for name, pod := range pods {
		if pod.DeletionTimestamp != nil {
			delete(w.pods, name)
			ended = true
		}
	}
	return ended
}

// collect deletes the claims whose owner is gone.
func (w *claimWorld) collect() {
	alive := map[types.UID]bool{w.set.UID: true}
	for _, pod := range w.pods {
		alive[pod.UID] = true
	}
	for name, claim := range w.claims {
		if !alive[metav1.GetControllerOf(claim).UID] {
			w.lose(name)
		}
	}
}

// forgetEnded deletes a pod that has ended and that nobody else deletes, as a cluster does when there are many.
func (w *claimWorld) forgetEnded() bool {
	for name, pod := range w.pods {
		if hasEnded(pod) {
			delete(w.pods, name)
			return true
		}
	}
	return false
}

// settle goes on until nothing changes any more, and checks what is there then.
func (w *claimWorld) settle() {
	for range 50 {
		w.collect()
		if w.pass(true) == 0 && !w.end(true) && !w.forgetEnded() {
			break
		}
	}
	if len(w.pods) != int(*w.set.Spec.Replicas) {
		w.Fatalf("there are %d pods, want %d", len(w.pods), *w.set.Spec.Replicas)
	}
	w.check()
}

// check checks that each pod has its claims, owned by whom they have to be, and that claims without a pod are kept only
// where they may be of use.
func (w *claimWorld) check() {
	for _, pod := range w.pods {
		owner := pod.UID
		if w.set.Spec.ScaleStrategy.EnablePVCReuse {
			owner = w.set.UID
		}
		for _, template := range []string{"data", "logs"} {
			claim := w.claims[template+"-"+pod.Name]
			if claim == nil || len(claim.OwnerReferences) != 1 || claim.OwnerReferences[0].UID != owner {
				w.Fatalf("the claim %s of %s is %v", template, pod.Name, claim)
			}
		}
	}
	for name := range w.claims {
		pod := name[strings.IndexByte(name, '-')+1:]
		if w.pods[pod] == nil && !w.set.Spec.ScaleStrategy.EnablePVCReuse {
			w.Fatalf("the claim %s is left over", name)
		}
	}
}

// change draws something that happens to the pods, or to the spec. What goes for good is drawn on request.
func (w *claimWorld) change(forGood bool) {
	kinds := []string{"delete", "evict", "end", "template"}
	if forGood {
		kinds = append(kinds, "scale", "label", "list", "reuse")
	}
	pod := w.some()
	switch kind := rapid.SampledFrom(kinds).Draw(w.T, "change"); {
	case kind == "template":
		w.set.Spec.Template.Spec.Containers[0].Env = append(w.set.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "X"})
	case kind == "scale":
		w.set.Spec.Replicas = new(int32(rapid.IntRange(0, 5).Draw(w.T, "replicas")))
	case kind == "reuse":
		w.set.Spec.ScaleStrategy.EnablePVCReuse = !w.set.Spec.ScaleStrategy.EnablePVCReuse
	case kind == "end":
		w.end(false)
	case pod == nil:
	case kind == "delete":
		w.delete(pod)
	case kind == "evict":
		ended(pod)
	case kind == "label":
		specified(pod)
	case kind == "list":
		w.set.Spec.ScaleStrategy.PodsToDelete = []string{pod.Name}
	}
}

func (w *claimWorld) live(forGood bool) {
	for range rapid.IntRange(1, 30).Draw(w.T, "steps") {
		if rapid.Bool().Draw(w.T, "pass") {
			w.pass(rapid.Bool().Draw(w.T, "to the end"))
		} else {
			w.change(forGood)
		}
		if rapid.Bool().Draw(w.T, "collect") {
			w.collect()
		}
	}
	w.settle()
}

// Whatever is deleted, ended, recreated or crashes, and whenever: no claim is lost, and none is made in place of one
// that waits.
func TestKeptClaimsAreNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newClaimWorld(t, reusing)
		w.live(false)
		if want := 2 * int(*w.set.Spec.Replicas); len(w.lost) > 0 || len(w.claims) != want {
			t.Fatalf("%v were lost, and there are %d claims, want %d", w.lost, len(w.claims), want)
		}
	})
}

func TestClaimsFollowTheirPods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newClaimWorld(t)
		w.set.Spec.ScaleStrategy.EnablePVCReuse = rapid.Bool().Draw(t, "reuse")
		w.live(true)
	})
}
