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
	replicas            = 6
	keptRate            = 50
)

type demo struct {
	cluster *framework.Cluster
	clock   clock.PassiveClock
	out     io.Writer
	rate    int
	padding int64
	grace   int32
}

// compare runs the trial with both kinds, prints the comparison and writes it to a file.
func (d *demo) compare(ctx context.Context, path string) error {
	if err := d.pushImages(ctx); err != nil {
		return err
	}
	var r report
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
		framework.Image{Ref: "demo/web:v1", Version: "v1", Command: []string{"serve"}, Padding: d.padding},
		framework.Image{Ref: "demo/web:v2", Version: "v2", Command: []string{"serve"}, Padding: d.padding},
		framework.Image{Ref: "demo/tools:v1", Version: "v1"},
	)
}

func (d *demo) workload(namespace string) *framework.Workload {
	return &framework.Workload{
		Name: "web", Namespace: namespace, Replicas: replicas,
		Image:        framework.Reference("demo/web:v1"),
		SidecarImage: framework.Reference("demo/tools:v1"),
		HelperImage:  framework.Reference("demo/tools:v1"),
		InitWork:     4 * time.Second, SidecarStartup: 3 * time.Second, ReadyDelay: time.Second,
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
		err = errors.Join(err, d.cluster.DeleteNamespace(context.WithoutCancel(ctx), namespace))
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

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }
