// Package check tries everything that a configuration names (brokers, topics,
// the consumer group, Alertmanager, Loki, files and directories) and says of
// each whether it works, and where it does not, what to do about it. It changes
// nothing: no record, alert, line or topic is left behind.
package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/logcluster/logcluster/alert/alertmanager"
	"github.com/logcluster/logcluster/alert/delivery"
	"github.com/logcluster/logcluster/alert/loki"
	"github.com/logcluster/logcluster/cmd/logcluster/app"
)

// Result is one thing that was tried.
type Result struct {
	// Target is what was tried: kafka kafka-0:9092, topic audit, …
	Target string `json:"target"`
	// Step is what was tried of it, as a verb phrase.
	Step string `json:"step"`
	// OK tells whether it works.
	OK bool `json:"ok"`
	// Detail is what was found; may be empty.
	Detail string `json:"detail,omitempty"`
	// Error is why it does not work, empty when it does.
	Error string `json:"error,omitempty"`
	// Hint is what to look at first; empty when nothing better is known than
	// the error itself.
	Hint string `json:"hint,omitempty"`
}

// outcome makes a result of an error, nil if it works.
func outcome(target, step, detail string, err error) Result {
	r := Result{Target: target, Step: step, OK: err == nil, Detail: detail}
	if err != nil {
		r.Error, r.Hint, r.Detail = err.Error(), hint(err), ""
	}
	return r
}

// Run tries everything in the configuration, which must be valid. Nothing
// takes longer than the timeout. The results are in the order of a record's
// way through the program.
func Run(ctx context.Context, cfg *app.Config, timeout time.Duration, logger *slog.Logger) []Result {
	steps := []func(context.Context) []Result{
		func(ctx context.Context) []Result { return kafkaWorks(ctx, cfg, logger) },
		func(ctx context.Context) []Result { return policiesWork(ctx, cfg, logger) },
		func(context.Context) []Result { return limitsWork(cfg) },
		func(context.Context) []Result { return shadowWorks(cfg) },
		func(ctx context.Context) []Result { return alertmanagerWorks(ctx, cfg.Alert.Alertmanager, logger) },
		func(ctx context.Context) []Result { return lokiWorks(ctx, cfg.Alert.Loki, logger) },
		func(context.Context) []Result { return []Result{stateWorks(cfg.State.Dir)} },
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := make([][]Result, len(steps))
	var group errgroup.Group
	for i, step := range steps {
		group.Go(func() error {
			found[i] = step(ctx)
			return nil
		})
	}
	_ = group.Wait() // no step returns an error
	var all []Result
	for _, results := range found {
		all = append(all, results...)
	}
	return all
}

func alertmanagerWorks(ctx context.Context, cfg alertmanager.Config, logger *slog.Logger) []Result {
	if len(cfg.URLs) == 0 {
		return nil
	}
	sink, err := alertmanager.New(cfg, logger, prometheus.NewRegistry(), nil)
	if err != nil {
		return []Result{outcome("alertmanager", "prepare", "", err)}
	}
	return fromSink("alertmanager", sink.Check(ctx))
}

func lokiWorks(ctx context.Context, cfg loki.Config, logger *slog.Logger) []Result {
	if cfg.URL == "" {
		return nil
	}
	sink, err := loki.New(cfg, logger, prometheus.NewRegistry(), nil, nil)
	if err != nil {
		return []Result{outcome("loki", "prepare", "", err)}
	}
	return fromSink("loki", sink.Check(ctx))
}

func fromSink(kind string, checks []delivery.Check) []Result {
	results := make([]Result, len(checks))
	for i, c := range checks {
		results[i] = outcome(kind+" "+c.Target, c.Step, c.Detail, c.Err)
	}
	return results
}

// stateWorks writes a file into the state directory, or into the nearest one
// above it when it does not exist yet, and removes it.
func stateWorks(dir string) Result {
	target, step := "state "+dir, "write a file"
	place, detail := dir, ""
	for {
		stat, err := os.Stat(place)
		if err == nil && !stat.IsDir() {
			return outcome(target, step, "", fmt.Errorf("%s is not a directory", place))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return outcome(target, step, "", err)
		}
		place, detail = filepath.Dir(place), "does not exist yet and can be made"
	}
	f, err := os.CreateTemp(place, ".logcluster-check-*")
	if err != nil {
		return outcome(target, step, "", err)
	}
	_, err = f.WriteString("check")
	return outcome(target, step, detail, errors.Join(err, f.Close(), os.Remove(f.Name())))
}
