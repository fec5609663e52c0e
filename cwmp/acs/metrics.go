// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/internal/metric"
)

// Reasons of uspgate_cwmp_rejected_total.
const (
	rejectConns     = "connections"
	rejectAddress   = "address"
	rejectSessions  = "sessions"
	rejectDraining  = "draining"
	rejectAuth      = "auth"
	rejectBody      = "body"
	rejectMalformed = "malformed"
	rejectNoSession = "no_session"
	rejectMethod    = "method"
	rejectHandler   = "handler"
	rejectParallel  = "parallel"
	rejectRate      = "rate"
	rejectMemory    = "memory"
	rejectLocked    = "locked"
	rejectIdentity  = "identity"
)

// metrics are the Server's collectors. All of them exist even if they are not
// registered.
type metrics struct {
	sessions *prometheus.GaugeVec
	ended    *prometheus.CounterVec
	rpc      *prometheus.HistogramVec
	faults   *prometheus.CounterVec
	rejected *prometheus.CounterVec
	found    *prometheus.CounterVec

	cpeTurn, acsTurn prometheus.Gauge
	regular          prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "uspgate_cwmp_sessions",
			Help: "Open CWMP sessions by whose turn it is: cpe (may send requests), acs (waits for a response).",
		}, []string{"state"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_cwmp_sessions_total",
			Help: "CWMP sessions that have ended, by reason.",
		}, []string{"end_reason"}),
		rpc: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "uspgate_cwmp_rpc_duration_seconds",
			Help:    "Time from sending an RPC to a CPE to its response.",
			Buckets: []float64{.005, .02, .1, .5, 1, 5, 20, 60, 300},
		}, []string{"rpc"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_cwmp_faults_total",
			Help: "CWMP faults sent (8xxx) and received (9xxx), by code.",
		}, []string{"code"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_cwmp_rejected_total",
			Help: "Connections and POSTs of CPE that were turned away, by reason.",
		}, []string{"reason"}),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_cwmp_findings_total",
			Help: "What sessions have shown about CPE, by kind.",
		}, []string{"kind"}),
	}
	if reg != nil {
		err := errors.Join(
			metric.Register(reg, &m.sessions), metric.Register(reg, &m.ended), metric.Register(reg, &m.rpc),
			metric.Register(reg, &m.faults), metric.Register(reg, &m.rejected), metric.Register(reg, &m.found),
		)
		if err != nil {
			return nil, err
		}
	}
	m.cpeTurn = m.sessions.WithLabelValues("cpe")
	m.acsTurn = m.sessions.WithLabelValues("acs")
	m.regular = m.ended.WithLabelValues("regular")
	return m, nil
}

func (m *metrics) reject(reason string) { m.rejected.WithLabelValues(reason).Inc() }

func (m *metrics) gauge(p phase) prometheus.Gauge {
	switch p {
	case phaseCPE:
		return m.cpeTurn
	case phaseACS:
		return m.acsTurn
	case phaseOpening, phaseEnded:
		return nil
	default:
		return nil
	}
}

// moved counts the change of a session's phase.
func (m *metrics) moved(from, to phase) {
	if g := m.gauge(from); g != nil {
		g.Dec()
	}
	if g := m.gauge(to); g != nil {
		g.Inc()
	}
}

func (m *metrics) end(cause error) {
	if cause == nil {
		m.regular.Inc()
		return
	}
	m.ended.WithLabelValues(endReason(cause)).Inc()
}

func endReason(cause error) string {
	switch {
	case errors.Is(cause, ErrTimeout):
		return "timeout"
	case errors.Is(cause, ErrVanished):
		return "vanished"
	case errors.Is(cause, ErrReplaced):
		return "replaced"
	case errors.Is(cause, ErrShutdown):
		return "shutdown"
	case errors.Is(cause, ErrProtocol), errors.Is(cause, io.ErrUnexpectedEOF):
		return "protocol"
	case errors.Is(cause, ErrLost):
		return "lost"
	case errors.Is(cause, ErrEndless):
		return "endless"
	default:
		return "handler"
	}
}

func (m *metrics) answered(rpc string, d time.Duration) {
	switch rpc {
	case "GetParameterValues", "SetParameterValues", "GetParameterNames", "GetParameterAttributes",
		"SetParameterAttributes", "AddObject", "DeleteObject", "Download", "Upload", "Reboot", "FactoryReset",
		"ScheduleInform", "GetRPCMethods", "ScheduleDownload", "CancelTransfer", "GetQueuedTransfers",
		"GetAllQueuedTransfers", "SetVouchers", "GetOptions", "ChangeDUState":
	default:
		rpc = "other"
	}
	m.rpc.WithLabelValues(rpc).Observe(d.Seconds())
}

func (m *metrics) fault(f *cwmp.Fault) {
	label := "other"
	switch {
	case f.Code >= 8000 && f.Code <= 8006, f.Code >= 9000 && f.Code <= 9032:
		label = strconv.Itoa(f.Code)
	case f.Code >= 8800 && f.Code <= 8899, f.Code >= 9800 && f.Code <= 9899:
		label = "vendor"
	}
	m.faults.WithLabelValues(label).Inc()
}
