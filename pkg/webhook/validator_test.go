package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/revision"
)

// cloneSet returns a CloneSet that is valid.
func cloneSet(edits ...func(*appsv1beta1.CloneSet)) *appsv1beta1.CloneSet {
	set := &appsv1beta1.CloneSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Template.Labels = map[string]string{"app": "web"}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "app:v1"}}
	set.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup:v1"}}
	for _, edit := range edits {
		edit(set)
	}
	return set
}

func withImage(image string) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Containers[0].Image = image }
}

func withEnv(set *appsv1beta1.CloneSet) {
	set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "fast"}}
}

func withPolicy(policy appsv1beta1.PodUpdatePolicy) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.PodUpdatePolicy = policy }
}

const inPlaceOnly = appsv1beta1.InPlaceOnlyPodUpdatePolicy

func withReplicas(replicas int32) func(*appsv1beta1.CloneSet) {
	return func(set *appsv1beta1.CloneSet) { set.Spec.Replicas = &replicas }
}

// apiServer answers to the making of pods, and to the reading of revisions.
type apiServer struct {
	client.Writer
	client.Reader
	answer   error
	warnings []string
	tried    []*corev1.Pod
	stored   *appsv1.ControllerRevision
	unread   error
}

func (s *apiServer) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	applied := (&client.CreateOptions{}).ApplyOptions(options)
	if len(applied.DryRun) == 0 || applied.FieldValidation != metav1.FieldValidationStrict {
		return errors.New("a pod is to be made for real, or without validation")
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("there is no limit to the time")
	}
	s.tried = append(s.tried, object.(*corev1.Pod))
	for _, text := range s.warnings {
		warningsToContext{}.HandleWarningHeaderWithContext(ctx, 299, "-", text)
	}
	return s.answer
}

func (s *apiServer) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch {
	case s.unread != nil:
		return s.unread
	case s.stored == nil || key.Name != s.stored.Name || key.Namespace != s.stored.Namespace:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "controllerrevisions"}, key.Name)
	}
	s.stored.DeepCopyInto(object.(*appsv1.ControllerRevision))
	return nil
}

func (s *apiServer) validator() *Validator { return &Validator{Pods: s, Revisions: s} }

// TestTrial: what the API server answers, and what becomes of it.
func TestTrial(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tests := map[string]struct {
		answer   error
		refused  bool
		warnings int
	}{
		"made":                          {nil, false, 0},
		"there already":                 {apierrors.NewAlreadyExists(pods, "web-trial"), false, 0},
		"invalid":                       {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "web-trial", nil), true, 0},
		"not understood":                {apierrors.NewBadRequest(`strict decoding error: unknown field "spec.later"`), true, 0},
		"a webhook without dry runs":    {apierrors.NewBadRequest(`admission webhook "a.b" does not support dry run`), false, 1},
		"forbidden, as by a quota":      {apierrors.NewForbidden(pods, "web-trial", errors.New("exceeded quota")), false, 1},
		"not found, as its namespace":   {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), false, 1},
		"too many requests":             {apierrors.NewTooManyRequests("wait", 1), false, 1},
		"an error of the server":        {apierrors.NewInternalError(errors.New("etcd")), false, 1},
		"unavailable":                   {apierrors.NewServiceUnavailable("no"), false, 1},
		"a time-out of the server":      {apierrors.NewTimeoutError("slow", 1), false, 1},
		"no answer in time":             {context.DeadlineExceeded, false, 1},
		"no connection":                 {errors.New("connection refused"), false, 1},
		"a conflict":                    {apierrors.NewConflict(pods, "web-trial", errors.New("changed")), false, 1},
		"a pod of a size that is wrong": {apierrors.NewRequestEntityTooLargeError("big"), false, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for what, try := range map[string]func(*Validator) (warnings []string, err error){
				"create": func(v *Validator) ([]string, error) { return v.ValidateCreate(t.Context(), cloneSet()) },
				"update": func(v *Validator) ([]string, error) {
					return v.ValidateUpdate(t.Context(), cloneSet(), cloneSet(withImage("app:v2")))
				},
			} {
				warnings, err := try((&apiServer{answer: tt.answer}).validator())
				if (err != nil) != tt.refused || len(warnings) != tt.warnings {
					t.Errorf("%s: got the error %v and the warnings %q", what, err, warnings)
				}
			}
		})
	}
}

// The pod that is tried out is the one that the controller would make.
func TestTrialPod(t *testing.T) {
	server := &apiServer{warnings: []string{"spec.nodeSelector[a]: deprecated"}}
	warnings, err := server.validator().ValidateCreate(t.Context(), withVolumes())
	if err != nil || len(warnings) != 1 || warnings[0] != "spec.template.spec.nodeSelector[a]: deprecated" {
		t.Errorf("got the error %v and the warnings %q", err, warnings)
	}
	pod := server.tried[0]
	if pod.Namespace != "shop" || pod.Labels["app"] != "web" || pod.Labels[appsv1beta1.ManagedLabel] == "" ||
		pod.Spec.ReadinessGates[0].ConditionType != appsv1beta1.InPlaceUpdateReady || len(pod.OwnerReferences) != 1 {
		t.Errorf("got %+v", pod)
	}
	if last := pod.Spec.Volumes[2]; last.Name != "data" || last.PersistentVolumeClaim.ClaimName != "data-"+pod.Name {
		t.Errorf("got the volume %+v", last)
	}
}

func TestUpdatesThatTryNothingOut(t *testing.T) {
	for name, edit := range map[string]func(*appsv1beta1.CloneSet){
		"scaled":     withReplicas(7),
		"paused":     func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.RollingUpdate.Paused = true },
		"the policy": withPolicy(inPlaceOnly),
		"annotated":  func(set *appsv1beta1.CloneSet) { set.Annotations = map[string]string{"a": "b"} },
		"reported":   func(set *appsv1beta1.CloneSet) { set.Status.Replicas = 3 },
		"an empty list instead of none": func(set *appsv1beta1.CloneSet) {
			set.Spec.Template.Spec.Volumes = []corev1.Volume{}
		},
		"going": func(set *appsv1beta1.CloneSet) {
			set.DeletionTimestamp, set.Spec.Selector = &metav1.Time{}, nil
			set.Spec.Template.Spec.Containers = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &apiServer{answer: apierrors.NewBadRequest("no")}
			warnings, err := server.validator().ValidateUpdate(t.Context(), cloneSet(), cloneSet(edit))
			if err != nil || len(warnings) > 0 || len(server.tried) > 0 {
				t.Errorf("got the error %v, the warnings %q and %d trials", err, warnings, len(server.tried))
			}
		})
	}
	if warnings, err := (&apiServer{}).validator().ValidateDelete(t.Context(), cloneSet()); err != nil || len(warnings) > 0 {
		t.Errorf("a deletion got the error %v and the warnings %q", err, warnings)
	}
}

func TestUpdatesThatTryThePodOut(t *testing.T) {
	for name, edit := range map[string]func(*appsv1beta1.CloneSet){
		"an image":        withImage("app:v2"),
		"a label":         func(set *appsv1beta1.CloneSet) { set.Spec.Template.Labels["team"] = "storage" },
		"a claim":         func(set *appsv1beta1.CloneSet) { set.Spec.VolumeClaimTemplates = claimNamed("data") },
		"a hook at first": func(set *appsv1beta1.CloneSet) { set.Spec.Lifecycle = preNormal() },
	} {
		t.Run(name, func(t *testing.T) {
			server := &apiServer{}
			if _, err := server.validator().ValidateUpdate(t.Context(), cloneSet(), cloneSet(edit)); err != nil || len(server.tried) != 1 {
				t.Errorf("got the error %v and %d trials", err, len(server.tried))
			}
		})
	}
}

func claimNamed(name string) []corev1.PersistentVolumeClaim {
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: {}}
	return []corev1.PersistentVolumeClaim{claim}
}

func preNormal() *appsv1beta1.Lifecycle {
	return &appsv1beta1.Lifecycle{PreNormal: &appsv1beta1.LifecycleHook{LabelsHandler: map[string]string{"a": "b"}}}
}

// A CloneSet that contradicts itself is refused without a trial. One that did before can be changed, but not made worse.
func TestContradictions(t *testing.T) {
	wrong := func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever }
	negative := withReplicas(-1)
	server := &apiServer{}
	v := server.validator()
	if _, err := v.ValidateCreate(t.Context(), cloneSet(wrong)); !apierrors.IsInvalid(err) ||
		!strings.Contains(err.Error(), "spec.template.spec.restartPolicy") || len(server.tried) > 0 {
		t.Errorf("created: got the error %v and %d trials", err, len(server.tried))
	}
	if _, err := v.ValidateUpdate(t.Context(), cloneSet(), cloneSet(wrong)); !apierrors.IsInvalid(err) {
		t.Errorf("changed: got the error %v", err)
	}
	if _, err := v.ValidateUpdate(t.Context(), cloneSet(wrong), cloneSet(wrong, withReplicas(5))); err != nil {
		t.Errorf("scaled: got the error %v", err)
	}
	_, err := v.ValidateUpdate(t.Context(), cloneSet(wrong), cloneSet(wrong, negative))
	if !apierrors.IsInvalid(err) || strings.Contains(err.Error(), "restartPolicy") || !strings.Contains(err.Error(), "spec.replicas") {
		t.Errorf("made worse: got the error %v", err)
	}
	if _, err := v.ValidateUpdate(t.Context(), cloneSet(wrong), cloneSet()); err != nil {
		t.Errorf("mended: got the error %v", err)
	}
}

func TestWhatBecomesOfThePods(t *testing.T) {
	const env = "spec.template.spec.containers[0].env"
	setup := func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.InitContainers[0].Image = "setup:v2" }
	unrehearsed := func(set *appsv1beta1.CloneSet) {
		set.Spec.UpdateStrategy.RollingUpdate.InPlaceUpdateStrategy.Rehearsal.Policy = appsv1beta1.RehearseNever
	}
	onDelete := func(set *appsv1beta1.CloneSet) { set.Spec.UpdateStrategy.Type = appsv1beta1.OnDeleteStrategyType }
	tests := map[string]struct {
		before, after []func(*appsv1beta1.CloneSet)
		refused       string
		warning       string
	}{
		"in place":                     {nil, edits(withImage("app:v2")), "", ""},
		"asking the registry again":    {nil, edits(withImage("app:latest")), "", "the image pull policy of"},
		"asking without a rehearsal":   {nil, edits(withImage("app:latest"), unrehearsed), "", ""},
		"by new pods":                  {nil, edits(withEnv), "", env + ": cannot be changed in place, so that pods are replaced"},
		"by new pods, as asked for":    {nil, edits(withEnv, withPolicy(appsv1beta1.ReCreatePodUpdatePolicy)), "", ""},
		"by the hand of whoever likes": {nil, edits(withEnv, withPolicy(inPlaceOnly), onDelete), "", ""},
		"at the next sandbox":          {nil, edits(setup, withPolicy(inPlaceOnly)), "", "a new image of setup takes effect"},
		"only in place":                {edits(withPolicy(inPlaceOnly)), edits(withEnv, withPolicy(inPlaceOnly)), env, ""},
		"only in place from now on":    {nil, edits(withEnv, withPolicy(inPlaceOnly)), env, ""},
		"no longer only in place":      {edits(withPolicy(inPlaceOnly)), edits(withEnv), "", "pods are replaced"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := &apiServer{}
			warnings, err := server.validator().ValidateUpdate(t.Context(), cloneSet(tt.before...), cloneSet(tt.after...))
			if (err != nil) != (tt.refused != "") || (err != nil && !strings.Contains(err.Error(), tt.refused+": Forbidden: "+onlyInPlace)) {
				t.Errorf("got the error %v, want %s", err, tt.refused)
			}
			if heard := strings.Join(warnings, "\n"); (heard == "") != (tt.warning == "") || !strings.Contains(heard, tt.warning) {
				t.Errorf("got the warnings %q, want %s", warnings, tt.warning)
			}
		})
	}
}

func edits(edits ...func(*appsv1beta1.CloneSet)) []func(*appsv1beta1.CloneSet) { return edits }

// The way back from a template that slipped in is admitted, even if nobody can find out that it is one.
func TestWayBackUnderInPlaceOnly(t *testing.T) {
	stable, err := revision.New(cloneSet(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	broken := stable.DeepCopy()
	broken.Data.Raw = []byte(`{"spec":`)
	slippedIn := func(set *appsv1beta1.CloneSet) {
		withEnv(set)
		set.Status.CurrentRevision, set.Status.UpdateRevision = stable.Name, "web-other"
	}
	complete := func(set *appsv1beta1.CloneSet) {
		withEnv(set)
		set.Status.CurrentRevision, set.Status.UpdateRevision = stable.Name, stable.Name
	}
	back, elsewhere := withImage("app:v3"), func(set *appsv1beta1.CloneSet) { set.Spec.Template.Spec.Hostname = "web" }
	tests := map[string]struct {
		server        apiServer
		before, after func(*appsv1beta1.CloneSet)
		refused       bool
		warnings      int
	}{
		"back":                         {apiServer{stored: stable}, slippedIn, back, false, 0},
		"to something else":            {apiServer{stored: stable}, slippedIn, elsewhere, true, 0},
		"after it was rolled out":      {apiServer{stored: stable}, complete, back, true, 0},
		"the revision is gone":         {apiServer{}, slippedIn, back, true, 0},
		"the revision cannot be read":  {apiServer{unread: context.DeadlineExceeded}, slippedIn, back, false, 1},
		"the revision says nothing":    {apiServer{stored: broken}, slippedIn, back, false, 1},
		"nothing was ever rolled out ": {apiServer{stored: stable}, withEnv, back, true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			policy := withPolicy(inPlaceOnly)
			warnings, err := tt.server.validator().ValidateUpdate(t.Context(), cloneSet(tt.before, policy), cloneSet(tt.after, policy))
			if apierrors.IsInvalid(err) != tt.refused || len(warnings) != tt.warnings {
				t.Errorf("got the error %v and the warnings %q", err, warnings)
			}
		})
	}
}
