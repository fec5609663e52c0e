// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp/files"
)

// refused is the value of uspgate_files_refused_total.
func refused(tb testing.TB, reg *prometheus.Registry, reason string) int {
	tb.Helper()
	return int(metric(tb, reg, "uspgate_files_refused_total", reason))
}

// metric is the sum of the samples of name that have label as the value of any
// label.
func metric(tb testing.TB, reg *prometheus.Registry, name, label string) (sum float64) {
	tb.Helper()
	all, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := start(t, files.Options{Metrics: reg})
	start(t, files.Options{Metrics: reg}) // shares them
	ticket := offer(t, s, files.Offer{Content: contentOf("12345"), Access: files.Access{Username: "u"}})
	up := accept(t, s, files.Intake{Open: openNull})
	do(t, "GET", ticket.URL, nil)
	do(t, "GET", ticket.URL, nil, "Authorization", "Basic dTo=")
	do(t, "PUT", up.URL, strings.NewReader("123"))
	do(t, "GET", up.URL, nil)
	do(t, "GET", "http://"+s.Addr()+"/", nil)
	const want = `
# HELP uspgate_files_active_transfers Transfers of files that are going on, by direction (download, upload).
# TYPE uspgate_files_active_transfers gauge
uspgate_files_active_transfers{direction="download"} 0
uspgate_files_active_transfers{direction="upload"} 0
# HELP uspgate_files_bytes_total Bytes of files that were moved, by direction.
# TYPE uspgate_files_bytes_total counter
uspgate_files_bytes_total{direction="download"} 5
uspgate_files_bytes_total{direction="upload"} 3
# HELP uspgate_files_jobs URLs of the file server that CPE can use now.
# TYPE uspgate_files_jobs gauge
uspgate_files_jobs 2
# HELP uspgate_files_refused_total Connections and requests to the file server that were turned away, by reason.
# TYPE uspgate_files_refused_total counter
uspgate_files_refused_total{reason="auth"} 1
uspgate_files_refused_total{reason="method"} 1
uspgate_files_refused_total{reason="unknown"} 1
# HELP uspgate_files_transfers_total Transfers of files that have ended, by direction and result.
# TYPE uspgate_files_transfers_total counter
uspgate_files_transfers_total{direction="download",result="finished"} 1
uspgate_files_transfers_total{direction="upload",result="finished"} 1
`
	until(t, func() bool { return metric(t, reg, "uspgate_files_transfers_total", "finished") == 2 })
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no problems", problems, err)
	}
}
