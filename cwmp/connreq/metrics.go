// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
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
	var already prometheus.AlreadyRegisteredError
	switch err := reg.Register(total); {
	case errors.As(err, &already):
		if same, ok := already.ExistingCollector.(*prometheus.CounterVec); ok {
			return same
		}
	case err != nil:
		log.Error("metrics not registered", zap.Error(err))
	}
	return total
}
