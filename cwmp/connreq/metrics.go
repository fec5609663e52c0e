// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/internal/metric"
)

// newTotal is the counter of requests, which a Client and a Waker share.
func newTotal(reg prometheus.Registerer, log *zap.Logger) *prometheus.CounterVec {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_connreq_total",
		Help: "Connection Requests by method and result.",
	}, []string{"method", "result"})
	if reg == nil {
		return total
	}
	if err := metric.Register(reg, &total); err != nil {
		log.Error("metrics not registered", zap.Error(err))
	}
	return total
}
