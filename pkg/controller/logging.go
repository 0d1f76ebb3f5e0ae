package controller

import (
	"fmt"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logger returns the log that the options ask for.
func (o *Options) Logger() (logr.Logger, error) {
	level, err := o.level()
	if err != nil {
		return logr.Logger{}, err
	}
	config := zap.NewProductionConfig()
	config.Encoding = o.LogFormat
	config.Level = zap.NewAtomicLevelAt(level)
	config.Sampling = nil // Every action is told of; there is one line for each.
	config.DisableStacktrace = true
	config.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	log, err := config.Build()
	if err != nil {
		return logr.Logger{}, fmt.Errorf("log: %w", err)
	}
	return zapr.NewLogger(log), nil
}
