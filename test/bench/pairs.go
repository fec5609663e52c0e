// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/uspgate/uspgate/internal/bench"
)

// pair is one way of a Record.
type pair struct {
	name     string
	from, to string // keys of server.url
	qos      byte
	peer     string  // who does the same; empty: nobody
	target   float64 // of the gateway's CPU time per Record to the peer's; 0: none
	window   int     // smaller than the others'; 0: not
}

func pairs() []pair {
	return []pair{
		{name: "WS→WS", from: "ws", to: "ws", peer: gorilla, target: 1},
		{name: "MQTT→WS", from: "mqtt", to: "ws"},
		{name: "MQTT→WS", from: "mqtt", to: "ws", qos: 1},
		{name: "WS→MQTT", from: "ws", to: "mqtt"},
		{name: "WS→MQTT", from: "ws", to: "mqtt", qos: 1},
		{name: "MQTT→MQTT", from: "mqtt", to: "mqtt", peer: mosq, target: 1.5},
		{name: "MQTT→MQTT", from: "mqtt", to: "mqtt", qos: 1, peer: mosq, target: 1},
		{name: "MQTT→STOMP", from: "mqtt", to: "stomp", peer: rabbitMQ},
		{name: "MQTT→STOMP", from: "mqtt", to: "stomp", qos: 1, peer: rabbitMQ, target: 0.125},
		{name: "STOMP→WS", from: "stomp", to: "ws"},
		{name: "CoAP→WS", from: "coap", to: "ws", window: 32}, // what a socket holds
		{name: "UDS→UDS", from: "south", to: "north"},
	}
}

func (p *pair) String() string { return fmt.Sprintf("%s QoS %d", p.name, p.qos) }

// side is what the rounds of one relay have shown.
type side struct {
	load    *bench.Load
	pid     int
	results []bench.Result
}

// row is a pair with what was measured.
type row struct {
	pair

	ours, peer *side
	note       string // why something is missing
}

// measure runs all pairs and prints a row for each as soon as it is known.
func measure(ctx context.Context, f *flags, s *servers, out io.Writer) error {
	wanted := slices.DeleteFunc(pairs(), func(p pair) bool { return !f.only.MatchString(p.String()) })
	if len(wanted) == 0 {
		return nil
	}
	t := table{out}
	t.head(f)
	for _, p := range wanted {
		r := row{pair: p}
		if err := r.measure(ctx, f, s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.note = err.Error()
		}
		t.row(&r)
	}
	return nil
}

func (r *row) measure(ctx context.Context, f *flags, s *servers) error {
	var err error
	if r.ours, err = r.connect(ctx, f, s, ours); err != nil {
		return err
	}
	defer r.ours.load.Close()
	if r.peer, err = r.connect(ctx, f, s, r.pair.peer); err != nil {
		r.peer, r.note = nil, err.Error()
	}
	if r.peer != nil {
		defer r.peer.load.Close()
	}
	for range f.rounds {
		for _, side := range []*side{r.ours, r.peer} {
			if side == nil {
				continue
			}
			result, err := side.load.Run(ctx, bench.Phase{Warm: f.warm, Duration: f.round, Process: side.pid})
			if err != nil {
				return err
			}
			side.results = append(side.results, result)
		}
	}
	return nil
}

// connect makes the connections with a relay; nil if there is no such.
func (r *row) connect(ctx context.Context, f *flags, s *servers, name string) (*side, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // there is no peer
	}
	srv := s.get(ctx, name)
	if srv == nil {
		return nil, fmt.Errorf("%s: %w", name, s.missing[name])
	}
	o := bench.Options{
		From: bench.Side{URL: srv.url[r.from], Endpoint: agentID},
		To:   bench.Side{URL: srv.url[r.to], Endpoint: controllerID},
		QoS:  r.qos, Size: f.size, Window: f.window,
	}
	if r.window > 0 {
		o.Window = min(o.Window, r.window)
	}
	if name == rabbitMQ {
		// Its exchange has dots for slashes, STOMP names it, and what comes by
		// MQTT has a /reply-to= suffix.
		o.From.Address, o.From.Destination = "bench/agent", "bench/controller"
		o.To.Address, o.To.Destination = "/topic/bench.controller.#", "/topic/bench.agent"
	}
	load, err := bench.Dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &side{load: load, pid: srv.pid}, nil
}

// figure is a value of each round.
func (s *side) figure(f func(*bench.Result) time.Duration) []time.Duration {
	out := make([]time.Duration, len(s.results))
	for i := range s.results {
		out[i] = f(&s.results[i])
	}
	return out
}

func cpu(r *bench.Result) time.Duration { return r.CPUPerRecord() }
func p50(r *bench.Result) time.Duration { return r.P50 }
func p99(r *bench.Result) time.Duration { return r.P99 }

// rate is the median, in Records per second.
func (s *side) rate() float64 {
	rates := make([]float64, len(s.results))
	for i := range s.results {
		rates[i] = s.results[i].Rate()
	}
	return median(rates)
}

// median of something that is not empty.
func median[T cmp.Ordered](v []T) T {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
