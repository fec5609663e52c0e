// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/usp"
)

// idleMTP is an MTP whose idle Endpoints are counted.
type idleMTP struct {
	name, url string
	target    float64 // KB per Endpoint, heap and stacks
}

// idle connects Endpoints that do nothing to a fresh gateway, and prints what
// each costs it a while later: silent ones, and those that have shown themselves
// before.
func idle(ctx context.Context, f *flags, s *servers, out io.Writer) error {
	if f.idle <= 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%d idle Endpoints after %v, KB each of 1024 bytes\n", f.idle, f.rest)
	fmt.Fprintf(out, idleFormat, "MTP", "that have sent", "heap", "stack", "both", "target", "RSS", "")
	var errs []error
	for _, m := range []idleMTP{{"WS", "ws", 6}, {"STOMP", "stomp", 6}, {"MQTT", "mqtt", 30}} {
		for _, greet := range []bool{false, true} {
			if !f.only.MatchString("idle " + m.name) {
				continue
			}
			if err := idleOne(ctx, f, s, m, greet, out); err != nil {
				errs = append(errs, fmt.Errorf("idle %s: %w", m.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

const idleFormat = "%-6s %-17s %6s %6s %6s %6s %6s  %s\n"

func idleOne(ctx context.Context, f *flags, s *servers, m idleMTP, greet bool, out io.Writer) error {
	srv, err := s.startOurs(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = srv.stop() }() // the figures are what matters
	before, err := bench.ReadMemory(ctx, srv.url["metrics"], srv.pid)
	if err != nil {
		return err
	}
	crowd, err := bench.Crowd(ctx, bench.Side{URL: srv.url[m.url]}, f.idle, greet, func(i int) usp.EndpointID {
		return usp.EndpointID(fmt.Sprintf("os::00D09E-idle%08d", i))
	})
	if err != nil {
		return err
	}
	defer func() { _ = crowd.Close() }() // nothing can go wrong
	select {
	case <-time.After(f.rest):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := bench.ReadMemory(ctx, srv.url["metrics"], srv.pid)
	if err != nil {
		return err
	}
	each := func(a, b uint64) float64 { return float64(int64(a-b)) / 1024 / float64(f.idle) }
	heap, stack := each(after.Heap, before.Heap), each(after.Stacks, before.Stacks)
	sent, note := "nothing", ""
	if greet {
		sent = "a Connect Record"
	}
	if heap+stack > m.target {
		note = "missed"
	}
	line := fmt.Sprintf(idleFormat, m.name, sent, kb(heap), kb(stack), kb(heap+stack), kb(m.target),
		kb(each(after.Resident, before.Resident)), note)
	fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	return nil
}

func kb(v float64) string { return fmt.Sprintf("%.1f", v) }
