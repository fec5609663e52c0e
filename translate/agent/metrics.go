// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	translated *prometheus.CounterVec // msg_type, result
	unmapped   prometheus.Counter
	collisions prometheus.Counter
	notifies   *prometheus.CounterVec // type
	dropped    prometheus.Counter
	awake      prometheus.Gauge
	roused     prometheus.Counter
	unsaved    prometheus.Counter
	transfers  *prometheus.CounterVec // direction, result
	bulk       *prometheus.CounterVec // result
	lacking    prometheus.Counter
	defaults   *prometheus.CounterVec // result
	deviations *prometheus.CounterVec // deviation
	contexts   *prometheus.CounterVec // event
	signatures *prometheus.CounterVec // result
	triggers   *prometheus.CounterVec // result
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		translated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_translate_total", Help: "USP requests answered by Virtual Agents.",
		}, []string{"msg_type", "result"}),
		unmapped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_unmapped_total", Help: "Requested paths that the data model of the CPE does not have.",
		}),
		collisions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_translate_endpoint_collisions_total",
			Help: "CPE that were given a uuid because another one has their Endpoint ID.",
		}),
		notifies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_translate_notifies_total", Help: "Notifies sent by Virtual Agents, retries included.",
		}, []string{"type"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_translate_notifies_dropped_total",
			Help: "Notifies given up: expired, or too many waiting for their response.",
		}),
	}
	m.awake = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_translate_agents_awake", Help: "Virtual Agents in memory.",
	})
	m.roused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_translate_agents_woken_total", Help: "Virtual Agents taken into memory.",
	})
	m.unsaved = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_translate_save_failures_total",
		Help: "Attempts to save what a Virtual Agent has to remember that failed.",
	})
	m.transfers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_transfers_total", Help: "Downloads and Uploads that have come to their end.",
	}, []string{"direction", "result"})
	for _, upload := range []bool{false, true} {
		m.transfers.WithLabelValues(direction(upload), resultOK)
		m.transfers.WithLabelValues(direction(upload), resultFailed)
	}
	m.lacking = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_translate_lacking_total",
		Help: "CPE that turned out to lack objects which others of their model have.",
	})
	m.bulk = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_bulk_reports_total",
		Help: "Bulk data reports: sent, too large, or not made since the CPE was not read.",
	}, []string{"result"})
	for _, result := range []string{resultOK, resultTooLarge, resultUnread} {
		m.bulk.WithLabelValues(result)
	}
	m.defaults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_defaults_total",
		Help: "What Virtual Agents were given of translate.defaults, or could not have.",
	}, []string{"result"})
	for _, result := range []string{resultOK, resultFailed} {
		m.defaults.WithLabelValues(result)
	}
	m.deviations = newDeviationMetric()
	m.newContexts()
	m.triggers = newTriggerMetric()
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.translated, m.unmapped, m.collisions, m.notifies, m.dropped, m.awake, m.roused, m.unsaved, m.transfers, m.bulk,
		m.lacking,
		m.defaults, m.contexts, m.signatures, m.deviations, m.triggers,
	} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// newContexts makes the metrics of Records.
func (m *metrics) newContexts() {
	m.contexts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_session_contexts_total",
		Help: "Session Contexts of Virtual Agents: started, refused, given up for a Record that was wrong, ended.",
	}, []string{"event"})
	for _, event := range []string{contextStarted, contextRefused, contextFailed, contextEnded} {
		m.contexts.WithLabelValues(event)
	}
	m.signatures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_signatures_total",
		Help: "Records for Virtual Agents whose signature was asked for: good, bad, or there was none.",
	}, []string{"result"})
	for _, result := range []string{signatureGood, signatureBad, signatureMissing} {
		m.signatures.WithLabelValues(result)
	}
}
