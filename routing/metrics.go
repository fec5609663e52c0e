// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

// metrics of the Router. Those of the Links (records_total, connections) are
// in package mtp, those of the buffer (queue_depth, queue_bytes,
// queue_dropped_total) in package buffer.
//
//	uspgate_relay_duration_seconds         accepted until delivered, without the buffer
//	uspgate_route_misses_total             Records to nobody
//	uspgate_route_refused_total{reason}    Records refused by the Router
//	uspgate_connect_records_total{result}  consumed, made, signed, no_room
//	uspgate_links_refused_total{reason}    endpoint, identity: too many Links
//	uspgate_held_records                   Records for which the buffer has no room, and that wait for it
//	uspgate_held_total{result}             such Records by what became of them
//	uspgate_endpoints                      addresses in the table
//	uspgate_endpoints_forgotten_total      addresses that were away for too long
type metrics struct {
	misses   prometheus.Counter
	relay    prometheus.Histogram
	refuse   [refusals]prometheus.Counter
	connects [connectResults]prometheus.Counter
	many     [linksReasons]prometheus.Counter
	forgot   prometheus.Counter
	holds    [holdResults]prometheus.Counter
	dropped  *buffer.Metrics
}

// refusal is the label reason of route_refused_total.
type refusal uint8

const (
	refusedForbidden refusal = iota
	refusedUnroutable
	refusedAmbiguous
	refusedLoop
	refusedTransit
	refusedTooLarge
	refusedBusy
	refusals
)

func (f refusal) String() string {
	return [...]string{"forbidden", "unroutable", "ambiguous", "loop", "transit", "too_large", "busy"}[f]
}

// connectResult is the label result of connect_records_total.
type connectResult uint8

const (
	connectConsumed connectResult = iota // at the Agent's Link
	connectMade                          // for a Controller's Link
	connectSigned                        // not made: the Agent signs its own
	connectNoRoom                        // too many pairs
	connectResults
)

func (c connectResult) String() string {
	return [...]string{"consumed", "made", "signed", "no_room"}[c]
}

// linksReason is the label reason of links_refused_total.
type linksReason uint8

const (
	linksEndpoint linksReason = iota
	linksIdentity
	linksReasons
)

func (l linksReason) String() string { return [...]string{"endpoint", "identity"}[l] }

// holdResult is the label result of held_total: what became of a Record for
// which the buffer had no room. All but the first four mean that its sender heard
// ErrBusy, and that it was dropped where the MTP cannot say so.
type holdResult uint8

const (
	holdWaits     holdResult = iota // not yet
	holdStored                      // there was room
	holdSent                        // the receiver was there before
	holdMoved                       // the address became another node's
	holdLate                        // there was none in time
	holdLink                        // too many of its Link were held
	holdLane                        // too many of its Link for the same address
	holdTotal                       // too many were held
	holdNot                         // the Link holds none
	holdOvertaken                   // what came later was stored
	holdGone                        // the Link went, and the peer sends again
	holdEnd                         // the Router ended
	holdResults
)

func (h holdResult) String() string {
	return [...]string{
		"waits", "stored", "sent", "moved",
		"late", "link", "address", "total", "not_held", "overtaken", "link_gone", "shutdown",
	}[h]
}

// newMetrics registers with reg; a nil reg gives metrics that nobody reads.
func newMetrics(reg prometheus.Registerer, r *Router) (*metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := &metrics{}
	var err error
	if m.misses, err = register(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_route_misses_total", Help: "USP Records to an Endpoint that nobody knows.",
	})); err != nil {
		return nil, err
	}
	if m.relay, err = register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "uspgate_relay_duration_seconds",
		Help:    "From the acceptance of a USP Record to its delivery, of those that were not kept in the buffer.",
		Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 10},
	})); err != nil {
		return nil, err
	}
	refused, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_route_refused_total", Help: "USP Records that the router refused.",
	}, []string{"reason"}))
	if err != nil {
		return nil, err
	}
	for f := range refusals {
		m.refuse[f] = refused.WithLabelValues(f.String())
	}
	connects, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_connect_records_total", Help: "Connect Records by what became of them.",
	}, []string{"result"}))
	if err != nil {
		return nil, err
	}
	for c := range connectResults {
		m.connects[c] = connects.WithLabelValues(c.String())
	}
	many, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_links_refused_total", Help: "Links refused because there are too many.",
	}, []string{"reason"}))
	if err != nil {
		return nil, err
	}
	for l := range linksReasons {
		m.many[l] = many.WithLabelValues(l.String())
	}
	if m.forgot, err = register(reg, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_endpoints_forgotten_total", Help: "Addresses forgotten because they were away for too long.",
	})); err != nil {
		return nil, err
	}
	if _, err = register(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "uspgate_endpoints", Help: "Addresses that the router knows.",
	}, func() float64 { return float64(r.table.count.Load()) })); err != nil {
		return nil, err
	}
	if err := m.registerHolds(reg, &r.holds); err != nil {
		return nil, err
	}
	m.dropped, err = buffer.NewMetrics(reg)
	return m, err
}

func (m *metrics) registerHolds(reg prometheus.Registerer, h *holds) error {
	if _, err := register(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "uspgate_held_records",
		Help: "USP Records that wait, unacknowledged, for room in the buffer.",
	}, func() float64 { return float64(h.records.Load()) })); err != nil {
		return err
	}
	total, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_held_total", Help: "USP Records for which the buffer had no room, by what became of them.",
	}, []string{"result"}))
	if err != nil {
		return err
	}
	for f := holdStored; f < holdResults; f++ {
		m.holds[f] = total.WithLabelValues(f.String())
	}
	return nil
}

// register returns c, or the equal collector that reg has already.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	if err == nil {
		return c, nil
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return c, fmt.Errorf("routing: register metrics: %w", err)
}

// relayed observes the time from Accept to delivery.
func (m *metrics) relayed(d time.Duration) { m.relay.Observe(d.Seconds()) }

// refused counts a Record that the sender is told err about; nil counts
// nothing.
func (m *metrics) refused(err error) {
	var f refusal
	switch {
	case err == nil:
		return
	case errors.Is(err, errLoop) || errors.Is(err, errReverse):
		f = refusedLoop
	case errors.Is(err, errTransit):
		f = refusedTransit
	case errors.Is(err, errAmbiguous):
		f = refusedAmbiguous
	case errors.Is(err, mtp.ErrForbidden):
		f = refusedForbidden
	case errors.Is(err, mtp.ErrUnroutable):
		f = refusedUnroutable
	case errors.Is(err, mtp.ErrTooLarge):
		f = refusedTooLarge
	default:
		f = refusedBusy
	}
	m.refuse[f].Inc()
}

func (m *metrics) connect(c connectResult) { m.connects[c].Inc() }

func (m *metrics) held(h holdResult) { m.holds[h].Inc() }

func (m *metrics) links(l linksReason) { m.many[l].Inc() }
