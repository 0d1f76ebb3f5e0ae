// Command insitu is the manager: it runs the controller of CloneSets.
package main

import (
	"flag"
	"fmt"
	"os"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/insitu-dev/insitu/pkg/controller"
)

func main() {
	options := &controller.Options{}
	options.Bind(flag.CommandLine)
	flag.Parse()
	if err := run(options); err != nil {
		fmt.Fprintln(os.Stderr, "insitu:", err)
		os.Exit(1)
	}
}

func run(options *controller.Options) error {
	if err := options.Validate(); err != nil {
		return err
	}
	log, err := options.Logger()
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	manager, err := controller.NewManager(ctx, config, options)
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}
