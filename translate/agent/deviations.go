// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/prometheus/client_golang/prometheus"

// deviation names what a Controller can notice of a CPE's not being a USP Agent. Each has
// a comment "Deviation name: …" at the place where it happens, and is counted there; both
// are held together by test/docs.
type deviation string

const (
	deviationStaleAnswer    deviation = "stale_answer"
	deviationCoalesced      deviation = "coalesced_value"
	deviationRebootComplete deviation = "reboot_completion"
	deviationOneImage       deviation = "activate_one_image"
	deviationWindow         deviation = "activate_window"
	deviationCheckSum       deviation = "checksum_unverified"
	deviationImageChoice    deviation = "image_not_chosen"
	deviationAppliedAtOnce  deviation = "applied_at_once"
	deviationUnitArguments  deviation = "unit_arguments"
	deviationMissingResult  deviation = "missing_result"
	deviationSecuredEmpty   deviation = "secured_empty"
)

// deviations are all of them, for the metric.
func deviations() []deviation {
	return []deviation{
		deviationStaleAnswer, deviationCoalesced, deviationRebootComplete, deviationOneImage, deviationWindow,
		deviationCheckSum, deviationImageChoice, deviationAppliedAtOnce, deviationUnitArguments,
		deviationMissingResult, deviationSecuredEmpty,
	}
}

func newDeviationMetric() *prometheus.CounterVec {
	m := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_translate_deviations_total",
		Help: "Times that a Controller could notice that a CPE is no USP Agent; see docs/deviations.md.",
	}, []string{"deviation"})
	for _, d := range deviations() {
		m.WithLabelValues(string(d))
	}
	return m
}

// deviate counts a deviation.
func (m *metrics) deviate(d deviation) { m.deviateBy(d, 1) }

// deviateBy counts n of them.
func (m *metrics) deviateBy(d deviation, n int) {
	if n > 0 {
		m.deviations.WithLabelValues(string(d)).Add(float64(n))
	}
}
