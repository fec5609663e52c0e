// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package metric registers metrics that several servers in one process share.
package metric

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers *c, or puts in its place what another server has registered
// already. Safe for concurrent use.
func Register[T prometheus.Collector](reg prometheus.Registerer, c *T) error {
	err := reg.Register(*c)
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if old, ok := twice.ExistingCollector.(T); ok {
			*c = old
			return nil
		}
	}
	return err //nolint:wrapcheck // the caller does
}
