// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp/internal/metric"
)

// Reasons of uspgate_files_refused_total.
const (
	reasonConns     = "connections"
	reasonTransfers = "transfers"
	reasonAddress   = "address"
	reasonJob       = "job"
	reasonUnknown   = "unknown"
	reasonMethod    = "method"
	reasonAuth      = "auth"
	reasonRequest   = "request"
	reasonDraining  = "draining"
)

// Directions of the transfer metrics, as the CPE sees them.
const (
	download = "download"
	upload   = "upload"
)

// metrics are the Server's collectors. All of them exist even if they are not
// registered.
type metrics struct {
	jobs      prometheus.Gauge
	active    *prometheus.GaugeVec
	transfers *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	refused   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		jobs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_files_jobs",
			Help: "URLs of the file server that CPE can use now.",
		}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "uspgate_files_active_transfers",
			Help: "Transfers of files that are going on, by direction (download, upload).",
		}, []string{"direction"}),
		transfers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_files_transfers_total",
			Help: "Transfers of files that have ended, by direction and result.",
		}, []string{"direction", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_files_bytes_total",
			Help: "Bytes of files that were moved, by direction.",
		}, []string{"direction"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_files_refused_total",
			Help: "Connections and requests to the file server that were turned away, by reason.",
		}, []string{"reason"}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(
		metric.Register(reg, &m.jobs), metric.Register(reg, &m.active), metric.Register(reg, &m.transfers),
		metric.Register(reg, &m.bytes), metric.Register(reg, &m.refused),
	)
}

func (m *metrics) refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }

// result is the label of a transfer that ended with err.
func result(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{nil, "finished"},
		{ErrStalled, "stalled"},
		{ErrTooLarge, "too_large"},
		{ErrNoRoom, "no_room"},
		{ErrMalformed, "malformed"},
		{ErrReplaced, "replaced"},
		{ErrWithdrawn, "withdrawn"},
		{ErrShutdown, "shutdown"},
		{ErrInterrupted, "interrupted"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "content"
}
