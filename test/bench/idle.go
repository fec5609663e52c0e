// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/usp"
)

// idleMTP is an MTP whose idle Endpoints are counted.
type idleMTP struct {
	name, url string
	target    float64 // KB per Endpoint
}

// idle connects Endpoints that do nothing to a fresh gateway, and prints what
// each costs it.
func idle(ctx context.Context, f *flags, s *servers, out io.Writer) error {
	if f.idle <= 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%d idle Endpoints, KB each (1 KB = 1024 bytes)\n", f.idle)
	fmt.Fprintf(out, "%-6s %6s %6s %10s %6s %6s\n", "MTP", "heap", "stack", "heap+stack", "target", "RSS")
	var errs []error
	for _, m := range []idleMTP{{"WS", "ws", 6}, {"STOMP", "stomp", 6}, {"MQTT", "mqtt", 30}} {
		if !f.only.MatchString("idle " + m.name) {
			continue
		}
		if err := idleOne(ctx, f, s, m, out); err != nil {
			errs = append(errs, fmt.Errorf("idle %s: %w", m.name, err))
		}
	}
	return errors.Join(errs...)
}

func idleOne(ctx context.Context, f *flags, s *servers, m idleMTP, out io.Writer) error {
	srv, err := s.startOurs(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = srv.stop() }() // the figures are what matters
	before, err := bench.ReadMemory(ctx, srv.url["metrics"], srv.pid)
	if err != nil {
		return err
	}
	crowd, err := bench.Crowd(ctx, bench.Side{URL: srv.url[m.url]}, f.idle, func(i int) usp.EndpointID {
		return usp.EndpointID(fmt.Sprintf("os::00D09E-idle%08d", i))
	})
	if err != nil {
		return err
	}
	defer crowd.Close()
	after, err := bench.ReadMemory(ctx, srv.url["metrics"], srv.pid)
	if err != nil {
		return err
	}
	each := func(a, b uint64) float64 { return float64(int64(a-b)) / 1024 / float64(f.idle) }
	heap, stack := each(after.Heap, before.Heap), each(after.Stacks, before.Stacks)
	note := ""
	if heap+stack > m.target {
		note = "  missed"
	}
	fmt.Fprintf(out, "%-6s %6.1f %6.1f %10.1f %6.0f %6.1f%s\n", m.name, heap, stack, heap+stack, m.target,
		each(after.Resident, before.Resident), note)
	return nil
}
