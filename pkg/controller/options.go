// Package controller makes the manager: the process that runs insitu's controllers.
package controller

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/insitu-dev/insitu/pkg/webhook"
)

// Options are the settings of the manager.
type Options struct {
	// LeaderElect makes only one of several managers work at a time.
	LeaderElect bool
	// LeaderElectionNamespace is where the lease is kept; by default the namespace that the manager runs in.
	LeaderElectionNamespace string
	// HealthAddress and MetricsAddress are host:port; "0" turns one off.
	HealthAddress, MetricsAddress string
	// Webhooks serves the admission webhooks, as Webhook says.
	Webhooks bool
	Webhook  webhook.Options
	// LogFormat is json or console.
	LogFormat string
	// LogLevel is debug, info, warn or error.
	LogLevel string
}

var errLogFormat = errors.New("--log-format: must be json or console")

// Bind binds options to flags and sets their defaults.
func (o *Options) Bind(flags *flag.FlagSet) {
	flags.BoolVar(&o.LeaderElect, "leader-elect", true, "Let only one of several managers work at a time.")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "",
		"Namespace of the lease; needed outside a cluster, where it cannot be found out.")
	flags.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 turns them off.")
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "Address of /metrics; 0 turns it off.")
	flags.StringVar(&o.LogFormat, "log-format", "json", "Format of the log: json or console.")
	flags.StringVar(&o.LogLevel, "log-level", "info", "Level of the log: debug, info, warn or error.")
	o.bindWebhooks(flags)
}

// Validate returns what is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	if o.Webhooks {
		errs = append(errs, validateWebhooks(&o.Webhook)...)
	}
	if o.LogFormat != "json" && o.LogFormat != "console" {
		errs = append(errs, errLogFormat)
	}
	if _, err := o.level(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (o *Options) level() (zapcore.Level, error) {
	level, err := zapcore.ParseLevel(strings.ToLower(o.LogLevel))
	if err != nil || level > zapcore.ErrorLevel { // Levels that are made for a last message would silence all others.
		return level, fmt.Errorf("--log-level: must be debug, info, warn or error, not %q", o.LogLevel)
	}
	return level, nil
}
