package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
	"github.com/insitu-dev/insitu/test/load"
	"github.com/insitu-dev/insitu/test/load/rollout"
)

const (
	// stepTimeout bounds the waiting for one thing, such as the end of a rollout.
	stepTimeout = 5 * time.Minute
	// minRequests is how many requests a trial needs for its result to mean something.
	minRequests = 3000
	// settleSeconds is for how long the load goes on after a rollout.
	settleSeconds = 3
)

// trial is one update of one workload under load.
type trial struct {
	*demo
	view *framework.View
	kind workload
	spec *framework.Workload

	object        client.Object
	load          *framework.Load
	before, after []*corev1.Pod
	cost          rollout.Cost
}

// prepare brings the pods up and starts the load.
func (t *trial) prepare(ctx context.Context) error {
	t.say("\n%s: %d pods with an init container (%s), a native sidecar (%s to start) and two containers",
		t.kind.kind(), replicas, initWork, sidecarStartup)
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	service := t.spec.Service()
	t.object = t.kind.object(t.spec)
	for _, o := range []client.Object{service, t.object} {
		if err := t.cluster.Client.Create(ctx, o); err != nil {
			return err
		}
	}
	if err := t.untilComplete(ctx); err != nil {
		return err
	}
	if t.simulated {
		return nil
	}
	t.say("  %d requests a second with a new connection each, and %d over kept-alive ones", t.rate, keptRate)
	var err error
	t.load, err = t.cluster.StartLoad(ctx, t.view, service, framework.LoadOptions{
		Image: framework.Reference(toolsV1), Rate: t.rate, KeptRate: keptRate,
	})
	return err
}

// untilComplete waits until the object says that it is complete and the Service sends traffic to all of its pods.
func (t *trial) untilComplete(ctx context.Context) error {
	complete := func() (bool, string) { return t.kind.complete(t.view, t.spec.Name) }
	if err := t.view.Until(ctx, complete); err != nil {
		return err
	}
	return t.view.UntilInService(ctx, t.spec.Name, replicas)
}

// update changes the image and follows the rollout to its end.
func (t *trial) update(ctx context.Context) error {
	t.say("  image v1 -> v2:")
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	t.before = t.view.Pods(t.spec.Name)
	target := framework.Reference(webV2)
	follow := newTimeline(t.out, t.clock, target, t.before)
	stopTimeline := t.view.Observe(func() { follow.observe(t.view.Pods(t.spec.Name)) })
	defer stopTimeline()
	stopMeasuring := t.view.Measure(t.clock, t.spec.Name, replicas)
	if err := t.setImage(ctx, target); err != nil {
		return err
	}
	if err := t.untilComplete(ctx); err != nil {
		return err
	}
	t.cost = stopMeasuring()
	t.after = t.view.Pods(t.spec.Name)
	if err := t.settle(ctx); err != nil {
		return err
	}
	if times := medians(t.view.CloneSet(t.spec.Name)); times != "" {
		t.say("  one pod, by the median: %s", times)
	}
	return nil
}

// medians tells where the time of in-place updates went, by the status of a CloneSet, which may be nil.
func medians(set *appsv1beta1.CloneSet) string {
	if set == nil || set.Status.UpdateTimes == nil {
		return ""
	}
	var parts []string
	for _, phase := range set.Status.UpdateTimes.Phases {
		parts = append(parts, fmt.Sprintf("%s %s", phase.Phase, phase.P50.Duration))
	}
	return strings.Join(parts, ", ")
}

// setImage changes the template, and waits for the view to show that, so that nothing before it counts as complete.
func (t *trial) setImage(ctx context.Context, image string) error {
	patch := client.MergeFrom(t.object.DeepCopyObject().(client.Object))
	t.kind.setImage(t.object, image)
	if err := t.cluster.Client.Patch(ctx, t.object, patch); err != nil {
		return err
	}
	return t.view.Until(ctx, func() (bool, string) {
		return t.view.Generation(t.object) >= t.object.GetGeneration(), "the new template is not seen"
	})
}

// settle goes on with the load, for as many requests as are sent in some seconds and until there are enough in all. An
// end of the load with the rollout would miss the requests that the last pod loses.
func (t *trial) settle(ctx context.Context) error {
	if t.simulated {
		return nil
	}
	sent, err := t.load.Report(ctx)
	if err != nil {
		return err
	}
	return t.load.UntilSent(ctx, max(minRequests, sent.NewConnections.Requests+settleSeconds*int64(t.rate)))
}

func (t *trial) result(ctx context.Context) (result, error) {
	identity := rollout.Compare(t.before, t.after, framework.MainContainer)
	if t.simulated {
		return newResult(identity, load.Report{}, t.cost), nil
	}
	sent, err := t.load.Report(ctx)
	if err != nil {
		return result{}, err
	}
	return newResult(identity, sent, t.cost), t.load.Stop(ctx)
}
