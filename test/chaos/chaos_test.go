package chaos

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/apply"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/kubelet"
	"github.com/insitu-dev/insitu/test/simulated"
)

const (
	// podsEnv names the environment variable with the number of pods, seedEnv the one with the seed of all that is left to
	// chance, and clusterEnv the one with the name of a cluster without nodes.
	podsEnv    = "INSITU_CHAOS_PODS"
	seedEnv    = "INSITU_CHAOS_SEED"
	clusterEnv = "INSITU_TEST_CLUSTER"

	app     = "web"
	imageV1 = "registry.invalid/web:v1"
	imageV2 = "registry.invalid/web:v2"
	nodes   = 10
	restart = 200 * time.Millisecond
	// unavailablePercent is the share of the pods that may be out of service.
	unavailablePercent = 20
	// A manager is killed after a time between these.
	shortestLife, longestLife = 2 * time.Second, 5 * time.Second
	// stepTimeout bounds the creation and each step of the rollout.
	stepTimeout = 10 * time.Minute
	// podWrites is how many writes a pod takes: its creation, its gate, and the three of an update.
	podWrites = 5
)

// A rollout converges while the manager is killed again and again and a part of its calls fails, and no invariant is
// broken on the way.
func TestRolloutUnderChaos(t *testing.T) {
	pods := number(t, podsEnv, 0)
	if pods == 0 {
		t.Skip(`takes minutes, so only "make chaos" runs it`)
	}
	seed := number(t, seedEnv, int(time.Now().UnixNano()%1e6))
	t.Logf("the seed is %d: %s=%d replays what is left to chance, but not how long things take", seed, seedEnv, seed)
	c := simulated.Open(t, os.Getenv(clusterEnv))
	simulated.Nodes(t, c, nodes, kubelet.RestartTiming(restart, 0))
	r := newRollout(t, c, pods)
	proxy, kubeconfig := startProxy(t, c.Config, rand.New(rand.NewPCG(uint64(seed), 1)))
	managers := startKilling(t, c, kubeconfig, rand.New(rand.NewPCG(uint64(seed), 2)))

	start := time.Now()
	r.create()
	created := time.Since(start)
	r.update(imageV2, pods/2)
	r.update(imageV2, 0)
	took := time.Since(start)
	lives := managers.stop()
	did := proxy.total()
	t.Logf("%d pods: created in %.1f s, updated in %.1f s; %d managers were killed, %d ended by themselves; "+
		"of %d calls %d failed without an effect and %d after it; %d watches were cut off",
		pods, created.Seconds(), (took - created).Seconds(), lives.killed, lives.ended,
		did.calls, did.failedBefore, did.failedAfter, did.watches)
	r.judge()
	r.expectWrites(&lives, &did)
	checkChaos(t, &lives, &did, took)
}

// checkChaos checks that there was any chaos to speak of.
func checkChaos(t *testing.T, lives *lives, did *tally, took time.Duration) {
	t.Helper()
	if least := int(took/longestLife) / 2; lives.killed < least {
		t.Errorf("only %d managers were killed in %s, want %d at least", lives.killed, took, least)
	}
	if lives.ended > lives.killed/2 {
		t.Errorf("%d managers ended by themselves", lives.ended)
	}
	failed, expected := float64(did.failedBefore+did.failedAfter), float64(did.calls)*(failBefore+failAfter)
	// The number of failures has about a Poisson distribution: fewer than this is not luck, but a proxy that does nothing.
	if least := expected - 5*math.Sqrt(expected); failed < least {
		t.Errorf("only %.0f of %d calls failed, want %.0f at least", failed, did.calls, least)
	}
}

func number(t *testing.T, env string, usual int) int {
	t.Helper()
	given := os.Getenv(env)
	if given == "" {
		return usual
	}
	n, err := strconv.Atoi(given)
	must(t, err)
	return n
}

// rollout is a CloneSet and those who watch it.
type rollout struct {
	*testing.T
	cluster   *framework.Cluster
	namespace string
	view      *framework.View
	witness   *witness
	pods      int
}

func newRollout(t *testing.T, c *framework.Cluster, pods int) *rollout {
	t.Helper()
	namespace, view, err := c.NewNamespace(t.Context(), "chaos")
	must(t, err)
	return &rollout{
		T: t, cluster: c, namespace: namespace, view: view, witness: startWitness(t, c, namespace), pods: pods,
	}
}

func (r *rollout) create() {
	r.Helper()
	workload := &framework.Workload{
		Name: app, Namespace: r.namespace, Replicas: int32(r.pods),
		MaxUnavailable: intstr.FromString(fmt.Sprintf("%d%%", unavailablePercent)),
		Image:          imageV1, SidecarImage: "registry.invalid/proxy:v1", HelperImage: "registry.invalid/tools:v1",
	}
	must(r.T, r.cluster.Client.Create(r.Context(), workload.Service()))
	must(r.T, r.cluster.Client.Create(r.Context(), workload.CloneSet()))
	r.untilUpdated(r.pods)
}

// update sets an image with a partition, and waits for all other pods to be updated.
func (r *rollout) update(image string, partition int) {
	r.Helper()
	set := &appsv1beta1.CloneSet{}
	must(r.T, r.cluster.Client.Get(r.Context(), client.ObjectKey{Namespace: r.namespace, Name: app}, set))
	before := set.DeepCopy()
	set.Spec.Template.Spec.Containers[0].Image = image
	set.Spec.UpdateStrategy.RollingUpdate.Partition = new(intstr.FromInt(partition))
	must(r.T, r.cluster.Client.Patch(r.Context(), set, client.MergeFrom(before)))
	must(r.T, r.until(func() (bool, string) { return r.view.Generation(set) >= set.Generation, "the change is not seen" }))
	r.untilUpdated(r.pods - partition)
}

func (r *rollout) untilUpdated(pods int) {
	r.Helper()
	err := r.until(func() (bool, string) {
		set := r.view.CloneSet(app)
		if set == nil {
			return false, "there is no CloneSet"
		}
		s := set.Status
		return s.ObservedGeneration == set.Generation && int(s.UpdatedAvailableReplicas) == pods && int(s.AvailableReplicas) == r.pods,
			fmt.Sprintf("want %d pods updated of generation %d; the status is %+v", pods, set.Generation, s)
	})
	if err != nil {
		r.judge()
		r.Fatal(err)
	}
}

func (r *rollout) until(condition func() (bool, string)) error {
	ctx, cancel := context.WithTimeoutCause(r.Context(), stepTimeout, errors.New("timed out"))
	defer cancel()
	return r.view.Until(ctx, condition)
}

// judge holds all that was seen against the invariants.
func (r *rollout) judge() {
	r.Helper()
	seen, err := r.witness.stop()
	if err != nil {
		r.Errorf("the witness: %v", err)
	}
	j := newJudge(r.pods, r.pods*unavailablePercent/100)
	for _, s := range seen {
		j.hear(s)
	}
	const enough = 20
	for i, fault := range j.faults {
		if i == enough {
			r.Errorf("... and %d more", len(j.faults)-enough)
			break
		}
		r.Error(fault)
	}
	if j.drained < r.pods || len(j.pods) != r.pods {
		r.Errorf("saw %d pods and %d drains, want %d of each at least", len(j.pods), j.drained, r.pods)
	}
	r.Logf("%d drains, after which never fewer than %d pods were available", j.drained, j.worst)
}

// expectWrites checks that pods are written no more often than without any chaos, but for what has to be done again because
// nobody knows what became of it: the answer was lost, or the manager was killed with the call under way.
func (r *rollout) expectWrites(lives *lives, did *tally) {
	r.Helper()
	writes, err := r.cluster.ManagerWrites(r.namespace, "pods")
	must(r.T, err)
	made := map[string]int{}
	for _, write := range writes {
		made[strings.TrimSpace(write.Verb+" "+write.Object.Subresource)]++
	}
	r.Logf("%.3f writes a pod reached the API server: %v", float64(len(writes))/float64(r.pods), made)
	if most := podWrites*r.pods + did.failedAfter + lives.killed*apply.Parallel; len(writes) > most {
		r.Errorf("pods were written %d times, want %d at most", len(writes), most)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
