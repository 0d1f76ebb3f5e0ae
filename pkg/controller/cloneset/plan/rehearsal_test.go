package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/inplace"
	"github.com/insitu-dev/insitu/pkg/internal/testpods"
)

// rehearsed has images rehearsed.
func rehearsed(edits ...func(*appsv1beta1.InPlaceUpdateStrategy)) edit {
	return rolling(func(r *appsv1beta1.RollingUpdate) {
		r.InPlaceUpdateStrategy.Rehearsal.Policy = appsv1beta1.RehearseAlways
		for _, edit := range edits {
			edit(&r.InPlaceUpdateStrategy)
		}
	})
}

func proceeding(s *appsv1beta1.InPlaceUpdateStrategy) {
	s.Rehearsal.WhenImpossible = appsv1beta1.ProceedWhenImpossible
}

// spreadOver returns a number of old pods, one on each of as many nodes.
func spreadOver(nodes ...string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, node := range nodes {
		pods = append(pods, old("web-"+node, onNode(node)))
	}
	return pods
}

// status is what a kubelet makes of the pod of a rehearsal.
type status func(*corev1.Pod)

// pulls has the node at it since the pod was made.
func pulls() status { return took(corev1.ContainerState{}, "") }

// has has the node have the images.
func has() status {
	return took(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "StartError"}}, testpods.ImageID("app:b"))
}

// misses has the registry say that it has no such image.
func misses() status {
	return took(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such tag"}}, "")
}

func isFull(pod *corev1.Pod) {
	pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "OutOfpods", "too many pods"
}

func took(state corev1.ContainerState, imageID string) status {
	return func(pod *corev1.Pod) {
		pod.Status.StartTime = &pod.CreationTimestamp
		for i := range pod.Spec.Containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: pod.Spec.Containers[i].Name, State: state, ImageID: imageID,
			})
		}
	}
}

// perform makes the pods of the rehearsals that a plan begins, by what kubelets make of them, and takes out those that it
// ends.
func perform(in *Input, p Plan, outcome status) {
	for _, a := range p.Actions {
		switch a.Kind {
		case EndRehearsal:
			in.Rehearsals = slices.DeleteFunc(in.Rehearsals, func(pod *corev1.Pod) bool { return pod.UID == a.Pod.UID })
		case Rehearse:
			pod := a.Pod.DeepCopy()
			pod.UID, pod.CreationTimestamp = types.UID("uid-"+pod.Name), metav1.NewTime(in.Now)
			outcome(pod)
			in.Rehearsals = append(in.Rehearsals, pod)
		}
	}
}

// rehearsals returns what a plan begins and ends, as "Rehearse node".
func rehearsals(p Plan) []string {
	texts := []string{}
	for _, a := range p.Actions {
		if a.Kind == Rehearse || a.Kind == EndRehearsal {
			texts = append(texts, string(a.Kind)+" "+a.Pod.Spec.NodeName)
		}
	}
	slices.Sort(texts)
	return texts
}

func expectRehearsals(t *testing.T, p Plan, want ...string) {
	t.Helper()
	if got := rehearsals(p); !slices.Equal(got, want) {
		t.Errorf("rehearsals: got %v, want %v", got, want)
	}
}

// drains returns the pods that a plan drains or patches.
func drains(p Plan) []string {
	return slices.DeleteFunc(deeds(p), func(deed string) bool {
		return !strings.HasPrefix(deed, "Drain ") && !strings.HasPrefix(deed, "UpdateInPlace ")
	})
}

func expectDrains(t *testing.T, p Plan, want ...string) {
	t.Helper()
	if got := drains(p); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// expectReason fails the test unless the rollout is said to be so, with some words.
func expectReason(t *testing.T, p Plan, reason string, words ...string) {
	t.Helper()
	progressing := meta.FindStatusCondition(p.Status.Conditions, appsv1beta1.ConditionProgressing)
	for _, word := range words {
		if !strings.Contains(progressing.Message, word) {
			t.Errorf("%q is not in %q", word, progressing.Message)
		}
	}
	if progressing.Reason != reason {
		t.Errorf("got %s: %s, want %s", progressing.Reason, progressing.Message, reason)
	}
}

// rehearsing returns an input whose rehearsals have come to something.
func rehearsing(set *appsv1beta1.CloneSet, outcome status, pods ...*corev1.Pod) Input {
	in := inputOf(set, pods...)
	perform(&in, Compute(in), outcome)
	return in
}

func TestImagesArePulledFirst(t *testing.T) {
	in := inputOf(cloneSet(3, rehearsed()), spreadOver("n1", "n2", "n3")...)
	p := Compute(in)
	expect(t, p, deeds(p)...)
	expectDrains(t, p)
	expectRehearsals(t, p, "Rehearse n1", "Rehearse n2") // The next one and, beside it, the one after.
	expectReason(t, p, appsv1beta1.ReasonRehearsing, "node n1 is to pull app:b", "node n2")

	perform(&in, p, pulls())
	p = Compute(in)
	expect(t, p)
	expectReason(t, p, appsv1beta1.ReasonRehearsing, "node n1 has been pulling app:b since 2026-03-01T13:00:00Z")
	if p.Wake != takeUpLimit && p.Wake != appsv1beta1.DefaultRehearsalTimeoutSeconds*time.Second {
		t.Errorf("wakes up in %s", p.Wake)
	}

	has()(in.Rehearsals[0])
	in.Rehearsals[0].Status.ContainerStatuses = in.Rehearsals[0].Status.ContainerStatuses[1:]
	expectDrains(t, Compute(in), "Drain web-"+in.Rehearsals[0].Spec.NodeName)
}

// A node that cannot have an image keeps its pods. Others go on.
func TestImageThatIsMissing(t *testing.T) {
	in := rehearsing(cloneSet(3, rehearsed()), misses(), spreadOver("n1", "n2", "n3")...)
	p := Compute(in)
	expectDrains(t, p)
	expectRehearsals(t, p, "Rehearse n3") // It may be well there.
	expectReason(t, p, appsv1beta1.ReasonRehearsalFailed, "node n1 cannot have app:b: ErrImagePull: no such tag", "node n2")
	if len(p.Status.PodNotes) != 3 || p.Status.PodNotes[0].Reason != appsv1beta1.NoteAwaitingImage {
		t.Errorf("notes: %+v", p.Status.PodNotes)
	}
	perform(&in, p, has())
	expectDrains(t, Compute(in), "Drain web-n3")
}

func TestFailedRehearsalIsMadeAgain(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed()), misses(), spreadOver("n1")...)
	first := in.Rehearsals[0].Name
	in.Now = in.Now.Add(20 * time.Second)
	if p := Compute(in); p.Wake != 40*time.Second || len(p.Actions) > 0 {
		t.Errorf("wakes up in %s, and does %v", p.Wake, deeds(p))
	}
	in.Now = in.Now.Add(40 * time.Second)
	p := Compute(in)
	expectRehearsals(t, p, "EndRehearsal n1", "Rehearse n1")
	expectReason(t, p, appsv1beta1.ReasonRehearsalFailed, "no such tag")
	perform(&in, p, pulls())
	if in.Rehearsals[0].Name == first {
		t.Error("it has the name of the one before, which has to go first")
	}
	expectReason(t, Compute(in), appsv1beta1.ReasonRehearsalFailed, "no such tag") // Nothing better is known.
	in.Rehearsals[0].Status = corev1.PodStatus{}
	has()(in.Rehearsals[0])
	expectDrains(t, Compute(in), "Drain web-n1")
}

func TestRehearsalThatIsRefused(t *testing.T) {
	for name, edits := range map[string][]func(*appsv1beta1.InPlaceUpdateStrategy){"wait": nil, "proceed": {proceeding}} {
		t.Run(name, func(t *testing.T) {
			in := inputOf(cloneSet(1, rehearsed(edits...)), spreadOver("n1")...)
			in.Refusal = &Refusal{Revision: revisionB, Message: "exceeded quota", At: in.Now.Add(-10 * time.Second)}
			p := Compute(in)
			if name == "proceed" {
				expect(t, p, "Drain web-n1")
				in.Now = in.Now.Add(time.Hour)
				expect(t, Compute(in), "Drain web-n1") // It is not tried again.
				return
			}
			expect(t, p)
			expectReason(t, p, appsv1beta1.ReasonRehearsalImpossible, "node n1 can have app:b", "exceeded quota")
			if p.Wake != rehearsalRetry-10*time.Second {
				t.Errorf("wakes up in %s", p.Wake)
			}
			in.Now = in.Now.Add(p.Wake)
			expectRehearsals(t, Compute(in), "Rehearse n1")
			in.Refusal.At, in.Refusal.Revision = in.Now, revisionA
			expectRehearsals(t, Compute(in), "Rehearse n1") // Another revision was refused.
		})
	}
}

func TestRehearsalThatCannotRun(t *testing.T) {
	for name, outcome := range map[string]status{"the node is full": isFull, "the node is lost": func(*corev1.Pod) {}} {
		t.Run(name, func(t *testing.T) {
			waiting := rehearsing(cloneSet(1, rehearsed()), outcome, spreadOver("n1")...)
			waiting.Now = waiting.Now.Add(takeUpLimit)
			p := Compute(waiting)
			expectDrains(t, p)
			expectReason(t, p, appsv1beta1.ReasonRehearsalImpossible, "node n1")
			going := rehearsing(cloneSet(1, rehearsed(proceeding)), outcome, spreadOver("n1")...)
			going.Now = going.Now.Add(takeUpLimit)
			expectDrains(t, Compute(going), "Drain web-n1")
		})
	}
	// An image that cannot be had is no reason to go on.
	expectDrains(t, Compute(rehearsing(cloneSet(1, rehearsed(proceeding)), misses(), spreadOver("n1")...)))
}

func TestPullThatDoesNotEnd(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.TimeoutSeconds = new(int32(90)) })),
		pulls(), spreadOver("n1")...)
	if p := Compute(in); p.Wake != 90*time.Second {
		t.Errorf("wakes up in %s", p.Wake)
	}
	in.Now = in.Now.Add(90 * time.Second)
	p := Compute(in)
	expectRehearsals(t, p, "EndRehearsal n1", "Rehearse n1")
	expectReason(t, p, appsv1beta1.ReasonRehearsalFailed, "RehearsalTimeout", "1m30s")
}

// What a pod of the CloneSet has run on a node needs no rehearsal there.
func TestImagesThatAreThere(t *testing.T) {
	expect(t, Compute(inputOf(cloneSet(2, rehearsed()), updated("web-x", onNode("n1")), old("web-y", onNode("n1")))), "Drain web-y")

	back := cloneSet(1, rehearsed())
	back.Spec.Template = *templateOf("app:a")
	in := inputOf(back, patchedTo(t, "web-x"))
	in.Revisions.Update = Revision{Name: revisionA, Template: &back.Spec.Template}
	in.Revisions.Current = in.Revisions.Update
	in.Revisions.Templates[revisionB] = templateOf("app:b")
	expect(t, Compute(in), "UpdateInPlace web-x") // The way back waits for nothing.
}

func TestNothingIsRehearsed(t *testing.T) {
	for name, set := range map[string]*appsv1beta1.CloneSet{
		"by the user's will":      cloneSet(2),
		"while paused":            cloneSet(2, rehearsed(), paused),
		"beyond the partition":    cloneSet(2, rehearsed(), partitionOf(2)),
		"for pods to be replaced": cloneSet(2, rehearsed(), withEnv),
	} {
		t.Run(name, func(t *testing.T) {
			in := rehearsing(cloneSet(2, rehearsed()), has(), spreadOver("n1", "n2")...)
			in.Set, in.Revisions.Update.Template = set, &set.Spec.Template
			expectRehearsals(t, Compute(in), "EndRehearsal n1", "EndRehearsal n2")
		})
	}
	in := inputOf(cloneSet(1, rehearsed()), old("web-x", onNode("")))
	expect(t, Compute(in), "Drain web-x") // It is on no node.
}

func TestRehearsalsOfAnotherRevisionEnd(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed()), misses(), spreadOver("n1")...)
	in.Revisions.Update = Revision{Name: "web-c", Template: templateOf("app:c")}
	in.Revisions.Templates["web-c"] = in.Revisions.Update.Template
	expectRehearsals(t, Compute(in), "EndRehearsal n1", "Rehearse n1")
}

func TestRehearsalsAtATime(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5"}
	set := cloneSet(5, maxUnavailableOf(4), rehearsed(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadParallelism = new(int32(2)) }))
	in := inputOf(set, spreadOver(nodes...)...)
	p := Compute(in)
	expectRehearsals(t, p, "Rehearse n1", "Rehearse n2")
	perform(&in, p, pulls())
	expectRehearsals(t, Compute(in))
	in.Rehearsals[0].Status = corev1.PodStatus{}
	has()(in.Rehearsals[0])
	expectRehearsals(t, Compute(in), "Rehearse n3")
}

func TestNoImageIsPulledAhead(t *testing.T) {
	set := cloneSet(3, rehearsed(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadMinUpdatedReadyPods = 1 }))
	expectRehearsals(t, Compute(inputOf(set, spreadOver("n1", "n2", "n3")...)), "Rehearse n1")
	some := append(spreadOver("n2", "n3"), updated("web-n1", onNode("n1")))
	expectRehearsals(t, Compute(inputOf(set, some...)), "Rehearse n2", "Rehearse n3")
}

// A pod that waits for another one to come back does not keep the node of that one from pulling.
func TestLastEndpointLeavesItsPlaceToTheOneThatIsDown(t *testing.T) {
	set := cloneSet(2, rehearsed(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadMinUpdatedReadyPods = 1 }),
		weights(weight1(1, "first", "yes")))
	serving := old("a", testpods.Label("first", "yes"), onNode("n1"))
	in := inputOf(set, serving, old("b", notReady(), onNode("n2")))
	in.Endpoints = serviceOf("web", "a -b")
	perform(&in, Compute(in), has())
	expectRehearsals(t, Compute(in), "Rehearse n2")
}

// All images of a node are pulled by one pod, however many pods there are.
func TestOneRehearsalForANode(t *testing.T) {
	set := cloneSet(40, maxUnavailableOf(40), rehearsed())
	set.Spec.Template = *pair("web:b", "log:b")
	var pods []*corev1.Pod
	for i := range 40 {
		pods = append(pods, podAt(revisionA, "web:a", "web-"+string(rune('a'+i%26))+string(rune('a'+i/26)),
			testpods.Container("log", "log:a"), testpods.Serving(), onNode([]string{"n1", "n2"}[i%2])))
	}
	in := inputOf(set, pods...)
	in.Revisions.Current.Template = pair("web:a", "log:a")
	in.Revisions.Templates[revisionA] = in.Revisions.Current.Template
	p := Compute(in)
	expectRehearsals(t, p, "Rehearse n1", "Rehearse n2")
	for _, a := range p.Actions {
		if len(a.Pod.Spec.Containers) != 2 {
			t.Errorf("it pulls %+v", a.Pod.Spec.Containers)
		}
	}
	perform(&in, p, has())
	if got := len(drains(Compute(in))); got != 40 {
		t.Errorf("%d pods are drained", got)
	}
}

// A pod that is out of service, with a template that changed meanwhile, goes back until its node has the new image.
func TestDrainedPodWaitsInService(t *testing.T) {
	in := inputOf(cloneSet(1, rehearsed()), drainedOld("web-n1", onNode("n1")))
	p := Compute(in)
	expect(t, p, "Restore web-n1", "Rehearse "+p.Actions[slices.IndexFunc(p.Actions, func(a Action) bool { return a.Kind == Rehearse })].Name())
}

// Pods that the user's priorities put behind one that waits are not taken before it.
func TestPriorityWaitsForItsImage(t *testing.T) {
	first := func(r *appsv1beta1.RollingUpdate) {
		r.PriorityStrategy = &appsv1beta1.PriorityStrategy{OrderPriority: []appsv1beta1.OrderPriorityTerm{{OrderedKey: "rank"}}}
	}
	for name, tt := range map[string]struct {
		rank string
		want []string
	}{
		"before": {"2", []string{}},
		"beside": {"1", []string{"Drain web-y"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := cloneSet(3, rehearsed(), rolling(first))
			in := inputOf(set, old("web-x", onNode("n1"), testpods.Label("rank", tt.rank)), old("web-y", onNode("n2"), testpods.Label("rank", "1")),
				updated("web-z", onNode("n2")))
			expectDrains(t, Compute(in), tt.want...)
		})
	}
}

// A kubelet that asks the registry at every start has to get an answer.
func TestRegistryIsAskedAgain(t *testing.T) {
	set := cloneSet(2, rehearsed())
	set.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
	in := inputOf(set, updated("web-x", onNode("n1")), old("web-y", onNode("n1")))
	before := templateOf("app:a")
	before.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
	in.Revisions.Current.Template, in.Revisions.Templates[revisionA] = before, before
	p := Compute(in)
	expectRehearsals(t, p, "Rehearse n1")
	perform(&in, p, has())
	expectDrains(t, Compute(in), "Drain web-y")
	in.Now = in.Now.Add(askedFor)
	p = Compute(in)
	expectDrains(t, p)
	expectRehearsals(t, p, "EndRehearsal n1", "Rehearse n1")
}

// What a kubelet does follows from the pod, and what the pod was made with: here with the tag latest, or under an admission that has
// the registry asked always. The template says nothing of that.
func TestRegistryIsAskedAgainAsThePodSays(t *testing.T) {
	always := func(pod *corev1.Pod) { pod.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways }
	set := cloneSet(2, rehearsed())
	in := inputOf(set, updated("web-x", onNode("n1")), old("web-y", onNode("n1"), always))
	p := Compute(in)
	expectDrains(t, p)
	expectRehearsals(t, p, "Rehearse n1")
	if policy := p.Actions[0].Pod.Spec.Containers[0].ImagePullPolicy; policy != corev1.PullAlways {
		t.Errorf("the pull policy of the rehearsal is %q", policy)
	}
	perform(&in, p, has())
	expectDrains(t, Compute(in), "Drain web-y")
	in.Now = in.Now.Add(askedFor)
	expectRehearsals(t, Compute(in), "EndRehearsal n1", "Rehearse n1")

	in = rehearsing(cloneSet(1, rehearsed()), has(), spreadOver("n1")...)
	expectDrains(t, Compute(in), "Drain web-n1")
	always(in.Pods[0])
	p = Compute(in)
	expectDrains(t, p)
	expectRehearsals(t, p, "EndRehearsal n1", "Rehearse n1") // The one before did not ask.
	perform(&in, p, func(pod *corev1.Pod) {
		has()(pod)
		pod.Spec.Containers[0].ImagePullPolicy = corev1.PullIfNotPresent // Somebody's webhook will have it so.
	})
	expectDrains(t, Compute(in), "Drain web-n1")
}

// What a rehearsal tells of a digest proves that a container runs its new image, where an image was asked for in between.
func TestDigestOfARehearsal(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed()), has(), old("web-x"))
	pod := patchedTo(t, "web-x")
	testpods.Observe(pod)
	testpods.Run(pod, "web", 2, "app:b")
	if got := digestsOf(&in)("app:b"); !slices.Equal(got, []string{inplace.Digest(testpods.ImageID("app:b"))}) {
		t.Errorf("known are %v", got)
	}
	in.Pods = []*corev1.Pod{patchedTo(t, "web-x")}
	expect(t, Compute(in)) // It is kept while it helps.
	in.Pods = []*corev1.Pod{updated("web-x")}
	expectRehearsals(t, Compute(in), "EndRehearsal node-1")
}

// A rehearsal that was seen to be done counts as progress.
func TestRehearsalIsProgress(t *testing.T) {
	in := rehearsing(cloneSet(1, rehearsed()), has(), spreadOver("n1")...)
	in.Set.Status.LastProgressTime = new(metav1.NewTime(in.Now.Add(-time.Hour)))
	in.Set.Status.UpdateRevision, in.Set.Status.ObservedGeneration = revisionB, in.Set.Generation
	in.Set.Status.Conditions = []metav1.Condition{{Type: appsv1beta1.ConditionReconciling, Status: metav1.ConditionTrue}}
	if got := Compute(in).Status.LastProgressTime; !got.Equal(new(metav1.NewTime(in.Now))) {
		t.Errorf("the last progress was at %s", got)
	}
}

func TestValidateRehearsal(t *testing.T) {
	const path = rollingPath + "inPlaceUpdateStrategy."
	wrong := func(change func(*appsv1beta1.InPlaceUpdateStrategy), want ...string) wrongSpec {
		return wrongSpec{rehearsed(change), want}
	}
	checkWrong(t, map[string]wrongSpec{
		"another policy":       wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.Policy = "Sometimes" }, path+"rehearsal.policy"),
		"another way":          wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.WhenImpossible = "Panic" }, path+"rehearsal.whenImpossible"),
		"no node at a time":    wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.Parallelism = new(int32) }, path+"rehearsal.parallelism"),
		"no time":              wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.Rehearsal.TimeoutSeconds = new(int32) }, path+"rehearsal.timeoutSeconds"),
		"the peer's, of none":  wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadParallelism = new(int32) }, path+"imagePreDownloadParallelism"),
		"the peer's, too soon": wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadTimeoutSeconds = new(int32(-1)) }, path+"imagePreDownloadTimeoutSeconds"),
		"fewer pods than none": wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) { s.ImagePreDownloadMinUpdatedReadyPods = -1 }, path+"imagePreDownloadMinUpdatedReadyPods"),
		"the same thing twice": wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) {
			s.Rehearsal.Parallelism, s.ImagePreDownloadParallelism = new(int32(2)), new(int32(2))
		}, path+"imagePreDownloadParallelism"),
		"nothing wrong": wrong(func(s *appsv1beta1.InPlaceUpdateStrategy) {
			s.ImagePreDownloadParallelism, s.ImagePreDownloadTimeoutSeconds = new(int32(2)), new(int32(2))
		}),
	})
}
