// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package obs is what operators watch: the logger, the metrics registry, and
// the listener with /metrics, /healthz, /readyz and /debug/pprof.
package obs
