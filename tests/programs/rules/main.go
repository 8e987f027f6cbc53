// Says which alerts of a file of rules hold for some series, read and computed by Prometheus' own code.
//
//	rules FILE < {"now": 1000, "series": [{"labels": {"__name__": "up"}, "value": 1}]}
//
// Prints the name of each alert whose expression holds now, whatever its `for`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// What is asked about.
type state struct {
	Now    int64 `json:"now"`
	Series []struct {
		Labels map[string]string `json:"labels"`
		Value  float64           `json:"value"`
	} `json:"series"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: rules FILE < state.json")
	}
	reader := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.ParseFile(os.Args[1], false, model.UTF8Validation, reader, slog.Default())
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var asked state
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10000, Timeout: time.Minute})
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			query, err := engine.NewInstantQuery(context.Background(), &asked, nil, rule.Expr, time.Unix(asked.Now, 0))
			if err != nil {
				return err
			}
			found, err := query.Exec(context.Background()).Vector()
			if err != nil {
				return fmt.Errorf("%s: %w", rule.Alert, err)
			}
			if len(found) > 0 {
				fmt.Println(rule.Alert)
			}
		}
	}
	return nil
}

// Querier makes the state something that Prometheus can ask.
func (s *state) Querier(int64, int64) (storage.Querier, error) {
	return querier{storage.NoopQuerier(), s}, nil
}

type querier struct {
	storage.Querier
	state *state
}

// Select gives the series that match, each with one sample, of now.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &set{}
	for _, series := range q.state.Series {
		matches := true
		for _, matcher := range matchers {
			matches = matches && matcher.Matches(series.Labels[matcher.Name])
		}
		if matches {
			set.all = append(set.all, promql.NewStorageSeries(promql.Series{
				Metric: labels.FromMap(series.Labels),
				Floats: []promql.FPoint{{T: q.state.Now * 1000, F: series.Value}},
			}))
		}
	}
	return set
}

type set struct {
	all []storage.Series
	at  storage.Series
}

func (s *set) Next() bool {
	if len(s.all) == 0 {
		return false
	}
	s.at, s.all = s.all[0], s.all[1:]
	return true
}

func (s *set) At() storage.Series                { return s.at }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
