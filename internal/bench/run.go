// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Phase says what Run does and measures.
type Phase struct {
	// Warm is how long Records flow before anything is measured.
	Warm time.Duration
	// Duration is how long is measured; Records, if more than 0, ends it
	// earlier, or alone if Duration is 0.
	Duration time.Duration
	Records  uint64
	// Process is the relay's process id, for its CPU time; 0: not measured.
	Process int
}

// Result is what a Phase has shown.
type Result struct {
	Records uint64        // delivered to the receiver
	Elapsed time.Duration // in which they were
	// P50 and P99 are latencies from the write at the sender to the read at the
	// receiver, with the window full, of every 16th Record.
	P50, P99 time.Duration
	// CPU is the relay's CPU time; 0 if it was not measured.
	CPU time.Duration
}

// Rate is in Records per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Records) / r.Elapsed.Seconds()
}

// CPUPerRecord is the relay's CPU time for one Record.
func (r *Result) CPUPerRecord() time.Duration {
	if r.Records == 0 {
		return 0
	}
	return r.CPU / time.Duration(r.Records)
}

// mark is a moment of a Load.
type mark struct {
	at, cpu   time.Duration
	delivered uint64
}

// Run sends Records with the window full and returns what it has measured once
// all of them have arrived. It may be called again.
func (l *Load) Run(ctx context.Context, ph Phase) (Result, error) {
	if ph.Duration <= 0 && ph.Records == 0 {
		return Result{}, errors.New("bench: neither duration nor number of Records")
	}
	if err := l.flow(ctx, func(at time.Duration, _ uint64) bool { return at >= ph.Warm }); err != nil {
		return Result{}, err
	}
	l.mu.Lock()
	h := new(Histogram)
	l.latencies = h
	l.mu.Unlock()
	begin, err := l.mark(ph.Process)
	if err != nil {
		return Result{}, err
	}
	if err := l.flow(ctx, func(at time.Duration, sent uint64) bool {
		return ph.Records > 0 && sent >= ph.Records || ph.Duration > 0 && at >= ph.Duration
	}); err != nil {
		return Result{}, err
	}
	last := l.number
	if ph.Records > 0 { // all of them count
		err = l.await(ctx, func(p progress) bool { return p.delivered == last })
	}
	end, markErr := l.mark(ph.Process)
	l.mu.Lock()
	l.latencies = nil
	l.mu.Unlock()
	if err := errors.Join(err, markErr); err != nil {
		return Result{}, err
	}
	if err := l.await(ctx, func(p progress) bool { return p.delivered == last && l.owed(p) == 0 }); err != nil {
		return Result{}, err
	}
	return Result{
		Records: end.delivered - begin.delivered, Elapsed: end.at - begin.at, CPU: end.cpu - begin.cpu,
		P50: h.Quantile(0.5), P99: h.Quantile(0.99),
	}, nil
}

func (l *Load) mark(process int) (mark, error) {
	m := mark{at: time.Since(l.start)}
	if process != 0 {
		cpu, err := ProcessCPU(process)
		if err != nil {
			return mark{}, err
		}
		m.cpu = cpu
	}
	p, err := l.state()
	m.delivered = p.delivered
	return m, err
}

// flow keeps the window full until enough says so, by the time since it began
// and the Records sent since.
func (l *Load) flow(ctx context.Context, enough func(time.Duration, uint64) bool) error {
	begin, first := time.Now(), l.number
	window, batch := uint64(l.o.Window), uint64(l.batch)
	room := func(p progress) bool {
		return l.number-p.delivered+batch <= window && l.owed(p)+batch <= window
	}
	for !enough(time.Since(begin), l.number-first) {
		if err := l.await(ctx, room); err != nil {
			return fmt.Errorf("after %d Records: %w", l.number, err)
		}
		for i := range l.batch {
			l.patch(i, l.number)
			l.number++
		}
		if err := l.from.write(l.frames, len(l.frame.bytes)); err != nil {
			return ended(err)
		}
	}
	return nil
}
