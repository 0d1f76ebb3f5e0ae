package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/clock"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

const (
	defaultGraceSeconds = appsv1beta1.DefaultGracePeriodSeconds
	// app is the name of the workload.
	app      = "web"
	replicas = 6
	keptRate = 50

	// What the pods do at their start.
	initWork       = 4 * time.Second
	sidecarStartup = 3 * time.Second
	readyDelay     = time.Second

	webV1, webV2 = "demo/web:v1", "demo/web:v2"
	proxyV1      = "demo/proxy:v1"
	toolsV1      = "demo/tools:v1"
)

type demo struct {
	cluster *framework.Cluster
	clock   clock.PassiveClock
	out     io.Writer
	rate    int
	padding int64
	grace   int32
	// simulated says that the pods are, so that there is no traffic.
	simulated bool
}

// compare runs the trial with both kinds, prints the comparison and writes it to a file.
func (d *demo) compare(ctx context.Context, path string) error {
	if !d.simulated {
		if err := d.pushImages(ctx); err != nil {
			return err
		}
	}
	r := report{Simulated: d.simulated}
	for _, t := range []struct {
		workload workload
		result   *result
	}{{cloneSet{}, &r.CloneSet}, {deployment{}, &r.Deployment}} {
		var err error
		if *t.result, err = d.trial(ctx, t.workload); err != nil {
			return fmt.Errorf("%s: %w", t.workload.kind(), err)
		}
	}
	r.print(d.out)
	if err := r.write(path); err != nil {
		return err
	}
	d.say("The figures are in %s.", path)
	return r.verdict()
}

func (d *demo) pushImages(ctx context.Context) error {
	d.say("Building the images: the web server's (v1 and v2, %d MiB shared by both) and its helpers'.", d.padding>>20)
	return d.cluster.PushImages(ctx,
		framework.Image{Ref: webV1, Version: "v1", Command: []string{"serve"}, Padding: d.padding},
		framework.Image{Ref: webV2, Version: "v2", Command: []string{"serve"}, Padding: d.padding},
		framework.Image{Ref: proxyV1, Version: "v1"},
		framework.Image{Ref: toolsV1, Version: "v1"},
	)
}

func (d *demo) workload(namespace string) *framework.Workload {
	return &framework.Workload{
		Name: app, Namespace: namespace, Replicas: replicas,
		Image:        framework.Reference(webV1),
		SidecarImage: framework.Reference(proxyV1),
		HelperImage:  framework.Reference(toolsV1),
		InitWork:     initWork, SidecarStartup: sidecarStartup, ReadyDelay: readyDelay,
		GracePeriodSeconds: d.grace, MaxUnavailable: intstr.FromInt32(1),
	}
}

// trial updates the workload once in a namespace of its own and says what that cost.
func (d *demo) trial(ctx context.Context, w workload) (_ result, err error) {
	namespace, view, err := d.cluster.NewNamespace(ctx, "demo")
	if err != nil {
		return result{}, err
	}
	defer func() {
		// The namespace goes away even when the demo was interrupted.
		err = errors.Join(err, d.remove(context.WithoutCancel(ctx), view, namespace))
	}()
	t := &trial{demo: d, view: view, kind: w, spec: d.workload(namespace)}
	if err := t.prepare(ctx); err != nil {
		return result{}, err
	}
	if err := t.update(ctx); err != nil {
		return result{}, err
	}
	return t.result(ctx)
}

// remove deletes the namespace. Simulated pods are waited for: nothing ends them once the demo has.
func (d *demo) remove(ctx context.Context, view *framework.View, namespace string) error {
	if err := d.cluster.DeleteNamespace(ctx, namespace); err != nil || !d.simulated {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return view.Until(ctx, func() (bool, string) {
		n := len(view.Pods(app))
		return n == 0, fmt.Sprintf("%d pods have not ended", n)
	})
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }
