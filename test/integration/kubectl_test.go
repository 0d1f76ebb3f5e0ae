package integration_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/argocd"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/integration/harness"
)

// ended waits for the end of a rollout.
const ended = `kubectl wait cloneset/web --for=condition=Reconciling=false --timeout=10m`

func TestKubectlReads(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	e.kubectlPrints(`kubectl get clone`, "web ", appsv1beta1.ReasonComplete)
	e.kubectlPrints(`kubectl get cloneset/web --output=wide`, imageV1, "2 of 2 pods are updated")
	e.kubectlPrints(`kubectl explain cloneset.spec.updateStrategy.rollingUpdate`, "partition", "maxUnavailable", "podUpdatePolicy")
}

func TestKubectlScales(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	e.kubectlPrints(`kubectl scale cloneset/web --replicas=4`, "scaled")
	e.untilScaledTo(4)
	e.change(setReplicas(1))
	e.kubectlPrints(`kubectl autoscale cloneset/web --min=2 --max=5 --cpu=80%`, "autoscaled")
	e.untilScaledTo(2)
}

func TestKubectlUpdates(t *testing.T) {
	t.Parallel()
	for name, update := range map[string]string{
		"by place": `kubectl patch cloneset/web --type=json --patch='[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/web:v2"}]'`,
		"by name": `kubectl apply --server-side --field-manager=release --force-conflicts --filename=- <<END
apiVersion: apps.insitu.dev/v1beta1
kind: CloneSet
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: registry.example/web:v2}]}}}
END`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2)
			before := e.identities()
			e.kubectlPrints(`kubectl patch cloneset/web --type=merge --patch='{"spec": {"updateStrategy": {"rollingUpdate": {"paused": true}}}}'`, "patched")
			e.kubectlPrints(update, "web")
			e.untilReason(appsv1beta1.ReasonPaused, "0 of 2")
			e.kubectlPrints(`kubectl patch cloneset/web --type=merge --patch='{"spec": {"updateStrategy": {"rollingUpdate": {"partition": "50%"}}}}'`, "patched")
			e.kubectlPrints(`kubectl patch cloneset/web --type=merge --patch='{"spec": {"updateStrategy": {"rollingUpdate": {"paused": false}}}}'`, "patched")
			e.untilPartitionReached(1)
			e.expectIdentities(before)
		})
	}
}

// A pipeline that changes a CloneSet and waits for it is not told of what was before its change.
func TestKubectlWaits(t *testing.T) {
	e := newEnv(t)
	e.must(e.client.Create(e.ctx, e.cloneSet(app, 3)))
	e.kubectlPrints(ended, "condition met")
	e.expectCount(3, "run the old image", runs(imageV1))
	e.change(setImage(imageV2))
	e.kubectlPrints(ended, "condition met")
	e.kubectlPrints(`kubectl wait cloneset/web --for=condition=Stalled=false --timeout=1s`, "condition met")
	e.kubectlPrints(`kubectl wait cloneset/web --for=jsonpath='{.status.conditions[?(@.type=="Progressing")].reason}'=Complete --timeout=10m`, "condition met")
	e.kubectlPrints(`kubectl wait cloneset/web --for=jsonpath='{.status.updatedAvailableReplicas}'=3 --timeout=10m`, "condition met")
	e.expectCount(3, "run the new image", runs(imageV2))
}

func TestKubectlWaitsForFailure(t *testing.T) {
	e := newEnv(t)
	e.created(2)
	e.change(setEnv("fast"), setPolicy(appsv1beta1.InPlaceOnlyPodUpdatePolicy))
	e.kubectlPrints(`kubectl wait cloneset/web --for=condition=Stalled --timeout=10m`, "condition met")
	e.kubectlPrints(ended, "condition met")
	if out, err := e.shell(`kubectl wait cloneset/web --for=condition=Stalled=false --timeout=1s`); err == nil {
		t.Errorf("waiting for a stuck CloneSet not to be stuck went well: %s", out)
	}
}

// The annotation that kubectl sets restarts the containers in the pods that there are. Pods are replaced that have the label
// which asks for it, and those with a container that reads a changed annotation.
func TestKubectlRestarts(t *testing.T) {
	t.Parallel()
	const annotate = `kubectl patch cloneset/web --type=merge --patch='{"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T12:00:00Z"}}}}}'`
	for name, c := range map[string]struct {
		changes  []func(*appsv1beta1.CloneSet)
		restart  []string
		replaced bool
		restarts int32
	}{
		"an annotation alone": {restart: []string{annotate}, restarts: 1},
		"an annotation that a container reads": {
			changes: []func(*appsv1beta1.CloneSet){func(set *appsv1beta1.CloneSet) {
				path := &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['kubectl.kubernetes.io/restartedAt']"}
				set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{
					{Name: "RESTARTED_AT", ValueFrom: &corev1.EnvVarSource{FieldRef: path}},
				}
			}},
			restart: []string{annotate}, replaced: true,
		},
		"a label": {
			restart: []string{
				`kubectl label pods --selector=app=web apps.insitu.dev/specified-delete=true`,
				`kubectl wait pods --selector=apps.insitu.dev/specified-delete --for=delete --timeout=10m`,
				ended,
			},
			replaced: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.created(2, c.changes...)
			before := e.identities()
			for _, line := range c.restart {
				e.kubectlPrints(line) // A wait for what is gone already prints nothing.
			}
			e.kubectlPrints(ended, "condition met")
			e.expectCount(2, "are in service", framework.InServiceByGate)
			for name, pod := range e.identities() {
				if _, stayed := before[name]; stayed == c.replaced {
					t.Errorf("a pod has the name %s as before: %t", name, stayed)
				}
				if replaced := pod.uid != before[name].uid; replaced != c.replaced {
					t.Errorf("pod %s: replaced %t", name, replaced)
				}
			}
			for _, pod := range e.view.Pods(app) {
				for _, status := range pod.Status.ContainerStatuses {
					if status.RestartCount != c.restarts {
						t.Errorf("container %s of pod %s was restarted %d times, want %d", status.Name, pod.Name, status.RestartCount, c.restarts)
					}
				}
			}
		})
	}
}

// Argo CD is told of its scripts, and what else it was told stays.
func TestKubectlConfiguresArgoCD(t *testing.T) {
	e := newEnv(t)
	e.created(1)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}}
	e.must(e.client.Create(e.ctx, namespace))
	t.Cleanup(func() { e.must(e.cluster.DeleteNamespace(context.WithoutCancel(e.ctx), namespace.Name)) })
	settings := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "argocd-cm"}, Data: map[string]string{"url": "https://cd.example"},
	}
	e.must(e.client.Create(e.ctx, settings))
	e.kubectlPrints(`kubectl create configmap argocd-cm --namespace=argocd --dry-run=client --output=yaml \
  --from-file=resource.customizations.health.apps.insitu.dev_CloneSet=examples/argo-cd/health.lua \
  --from-file=resource.customizations.actions.apps.insitu.dev_CloneSet=examples/argo-cd/actions.yaml |
  kubectl apply --server-side --filename=-`, "serverside-applied")
	e.must(e.client.Get(e.ctx, client.ObjectKeyFromObject(settings), settings))
	const key = "resource.customizations.%.apps.insitu.dev_CloneSet"
	actions, err := argocd.ParseActions([]byte(settings.Data[strings.Replace(key, "%", "actions", 1)]))
	if err != nil || len(actions.Definitions) != 3 || settings.Data["url"] != "https://cd.example" {
		t.Errorf("Argo CD is told %v, %v", settings.Data, err)
	}
	health, err := argocd.HealthOf(e.ctx, settings.Data[strings.Replace(key, "%", "health", 1)], e.raw().Object)
	if err != nil || health.Status != "Healthy" {
		t.Errorf("it says %+v, %v", health, err)
	}
}

// kubectlPrints runs a command of docs/other-tools.md, and checks that what it prints contains texts.
func (e *env) kubectlPrints(command string, texts ...string) {
	e.Helper()
	out, err := e.shell(command)
	if err != nil {
		e.Fatalf("%s: %v\n%s", command, err, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			e.Errorf("%s prints no %q:\n%s", command, text, out)
		}
	}
	e.until(func() (bool, string) {
		set := e.raw()
		return e.view.Generation(set) == set.GetGeneration(), "the change is not seen"
	})
}

// shell runs a command of docs/other-tools.md, from the root of the repository, as it stands there.
func (e *env) shell(command string) (string, error) {
	e.Helper()
	page, err := os.ReadFile(harness.File(e, "docs/other-tools.md"))
	e.must(err)
	if !bytes.Contains(page, []byte(command+"\n")) && !bytes.Contains(page, []byte(command+"  ")) {
		e.Fatalf("docs/other-tools.md does not say: %s", command)
	}
	run := exec.CommandContext(e.ctx, "bash", "-o", "pipefail", "-c",
		`kubectl() { .bin/cluster kubectl --name "$0" -- --kubeconfig="$KUBECONFIG" "$@"; }; `+command, e.cluster.Name)
	run.Dir = e.cluster.Root
	run.Env = append(os.Environ(), "KUBECONFIG="+e.kubeconfig())
	out, err := run.CombinedOutput()
	return string(out), err
}

// kubeconfig writes one whose default namespace is the test's.
func (e *env) kubeconfig() string {
	e.Helper()
	config, err := clientcmd.LoadFromFile(e.cluster.Kubeconfig())
	e.must(err)
	config.Contexts[config.CurrentContext].Namespace = e.namespace
	path := filepath.Join(e.TempDir(), "kubeconfig")
	e.must(clientcmd.WriteToFile(*config, path))
	return path
}
