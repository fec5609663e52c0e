// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"time"
)

// arrived takes a frame at the receiver.
func (l *Load) arrived(ev event) error {
	if ev.record == nil || !l.template.is(ev.record) {
		return nil // a Connect Record, for example
	}
	n := get(ev.record[l.template.number:])
	if n&probeBit != 0 {
		l.probe = n &^ probeBit
		return nil
	}
	switch {
	case n < l.next && l.o.QoS > 0:
		return nil // at least once
	case n != l.next:
		return fmt.Errorf("bench: Record %d has come where %d was due: lost, overtaken or twice", n, l.next)
	}
	l.next++
	l.came++
	if n%sampleEvery == 0 && l.samples < len(l.sampled) {
		if l.arrivals == 0 {
			l.arrivals = time.Since(l.start)
		}
		l.sampled[l.samples] = l.arrivals - time.Duration(get(ev.record[l.template.stamp:]))
		l.samples++
	}
	return nil
}

// reportArrivals passes on what has come with one read.
func (l *Load) reportArrivals() {
	l.mu.Lock()
	l.progress.delivered += l.came
	l.progress.probe = l.probe
	if l.latencies != nil {
		for _, d := range l.sampled[:l.samples] {
			l.latencies.Add(d)
		}
	}
	l.mu.Unlock()
	l.came, l.samples, l.arrivals = 0, 0, 0
	l.wake()
}

// acknowledged takes a frame at the sender.
func (l *Load) acknowledged(ev event) error {
	if ev.acked {
		l.acks++
	}
	return nil
}

// reportAcks passes on what has been acknowledged with one read.
func (l *Load) reportAcks() {
	if l.acks == 0 {
		return
	}
	l.mu.Lock()
	l.progress.acked += l.acks
	l.mu.Unlock()
	l.acks = 0
	l.wake()
}
