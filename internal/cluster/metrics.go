// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
)

// metrics are those of a Node:
//
//	uspgate_cluster_nodes                                        nodes that live
//	uspgate_cluster_owned                                        addresses that this node owns
//	uspgate_cluster_fences_total                                 leases of this node that were lost
//	uspgate_cluster_claims_total{result}                         ok, kept, forbidden, busy, error
//	uspgate_cluster_forwarded_records_total{direction,result}    in, out; ok, moved, …, link_down
//	uspgate_cluster_links                                        Links to other nodes that are up
//	uspgate_cluster_remote_sessions                              CWMP sessions of CPE at other nodes
//	uspgate_cluster_news_total{topic,result}                     told, lost, dropped, heard
type metrics struct {
	nodes, owned, linksUp, sessions prometheus.Gauge

	fences    prometheus.Counter
	claims    *prometheus.CounterVec
	told      *prometheus.CounterVec
	forwarded [2][classCount]prometheus.Counter
}

const (
	directionIn = iota
	directionOut
)

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "uspgate", Subsystem: "cluster", Name: name, Help: help,
		})
	}
	m := &metrics{
		nodes:    gauge("nodes", "Nodes of the gateway that live."),
		owned:    gauge("owned", "Addresses that this node owns."),
		linksUp:  gauge("links", "Links to other nodes that are up."),
		sessions: gauge("remote_sessions", "CWMP sessions served here of CPE that are connected to another node."),
		fences: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "uspgate", Subsystem: "cluster", Name: "fences_total", Help: "Leases of this node that were lost.",
		}),
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "uspgate", Subsystem: "cluster", Name: "claims_total", Help: "Claims of addresses, by result.",
		}, []string{"result"}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "uspgate", Subsystem: "cluster", Name: "news_total",
			Help: "What nodes tell each other and may get lost, by result.",
		}, []string{"topic", "result"}),
	}
	forwarded := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "uspgate", Subsystem: "cluster", Name: "forwarded_records_total",
		Help: "Records forwarded between nodes, by direction and result.",
	}, []string{"direction", "result"})
	for i, direction := range []string{"in", "out"} {
		for c := range classCount {
			m.forwarded[i][c] = forwarded.WithLabelValues(direction, c.String())
		}
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.nodes, m.owned, m.linksUp, m.sessions, m.fences, m.claims, m.told, forwarded,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("cluster: metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) news(topic, result string) { m.told.WithLabelValues(topic, result).Inc() }

func (m *metrics) claim(err error) {
	result := "error"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(err, routing.ErrKept):
		result = "kept"
	case errors.Is(err, mtp.ErrForbidden):
		result = "forbidden"
	case errors.Is(err, mtp.ErrBusy):
		result = "busy"
	}
	m.claims.WithLabelValues(result).Inc()
}

// class is an outcome as it crosses from node to node.
type class uint8

const (
	classOK class = iota
	classMoved
	classMalformed
	classForbidden
	classUnroutable
	classBusy
	classTooLarge
	classLinkDown
	classCount
)

func (c class) String() string {
	return [...]string{
		"ok", "moved", "malformed", "forbidden", "unroutable", "busy", "too_large", "link_down",
	}[min(c, classLinkDown)]
}

func (c class) err() error {
	switch c {
	case classOK:
		return nil
	case classMoved:
		return routing.ErrMoved
	case classMalformed:
		return mtp.ErrMalformed
	case classForbidden:
		return mtp.ErrForbidden
	case classUnroutable:
		return mtp.ErrUnroutable
	case classTooLarge:
		return mtp.ErrTooLarge
	case classLinkDown:
		return mtp.ErrLinkDown
	default:
		return mtp.ErrBusy
	}
}

func classOf(err error) class {
	switch {
	case err == nil:
		return classOK
	case errors.Is(err, routing.ErrMoved):
		return classMoved
	case errors.Is(err, mtp.ErrMalformed):
		return classMalformed
	case errors.Is(err, mtp.ErrForbidden):
		return classForbidden
	case errors.Is(err, mtp.ErrUnroutable):
		return classUnroutable
	case errors.Is(err, mtp.ErrTooLarge):
		return classTooLarge
	case errors.Is(err, mtp.ErrLinkDown):
		return classLinkDown
	default:
		return classBusy
	}
}
