// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
)

func TestMetricsCount(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	m := newMetrics(t, reg, mtp.WebSocket)
	again := newMetrics(t, reg, mtp.WebSocket) // a second listener of the same process
	m.LinkUp()
	again.LinkUp()
	m.LinkDown()
	m.Sent(3, nil)
	m.Sent(2, mtp.ErrLinkDown)
	for _, err := range []error{
		nil, mtp.ErrMalformed, mtp.ErrForbidden, mtp.ErrUnroutable, mtp.ErrTooLarge,
		mtp.ErrBusy, mtp.ErrFull, errors.New("other"), fmt.Errorf("wrapped: %w", mtp.ErrForbidden),
	} {
		m.Received(err)
	}
	m.Rejected(mtp.RejectIdentity)
	want := `
# HELP uspgate_connections Connections with peers that are up.
# TYPE uspgate_connections gauge
uspgate_connections{mtp="websocket"} 1
# HELP uspgate_records_total USP Records by their outcome.
# TYPE uspgate_records_total counter
uspgate_records_total{direction="in",mtp="websocket",result="busy"} 3
uspgate_records_total{direction="in",mtp="websocket",result="forbidden"} 2
uspgate_records_total{direction="in",mtp="websocket",result="link_down"} 0
uspgate_records_total{direction="in",mtp="websocket",result="malformed"} 1
uspgate_records_total{direction="in",mtp="websocket",result="ok"} 1
uspgate_records_total{direction="in",mtp="websocket",result="too_large"} 1
uspgate_records_total{direction="in",mtp="websocket",result="unroutable"} 1
uspgate_records_total{direction="out",mtp="websocket",result="busy"} 0
uspgate_records_total{direction="out",mtp="websocket",result="forbidden"} 0
uspgate_records_total{direction="out",mtp="websocket",result="link_down"} 2
uspgate_records_total{direction="out",mtp="websocket",result="malformed"} 0
uspgate_records_total{direction="out",mtp="websocket",result="ok"} 3
uspgate_records_total{direction="out",mtp="websocket",result="too_large"} 0
uspgate_records_total{direction="out",mtp="websocket",result="unroutable"} 0
# HELP uspgate_connections_rejected_total Connections turned away before they became a Link.
# TYPE uspgate_connections_rejected_total counter
uspgate_connections_rejected_total{mtp="websocket",reason="address"} 0
uspgate_connections_rejected_total{mtp="websocket",reason="auth"} 0
uspgate_connections_rejected_total{mtp="websocket",reason="connections"} 0
uspgate_connections_rejected_total{mtp="websocket",reason="handshake"} 0
uspgate_connections_rejected_total{mtp="websocket",reason="identity"} 1
uspgate_connections_rejected_total{mtp="websocket",reason="router"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Fatalf("lint: got %v %v, want none", problems, err)
	}
}

func TestMetricsOfTwoInstancesAreApart(t *testing.T) {
	t.Parallel()
	a, b := prometheus.NewRegistry(), prometheus.NewRegistry()
	newMetrics(t, a, mtp.MQTT).LinkUp()
	newMetrics(t, b, mtp.MQTT)
	for reg, want := range map[*prometheus.Registry]string{a: "1", b: "0"} {
		text := "# HELP uspgate_connections Connections with peers that are up.\n" +
			"# TYPE uspgate_connections gauge\nuspgate_connections{mtp=\"mqtt\"} " + want + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "uspgate_connections"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetricsConflict(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	other := prometheus.CounterOpts{Name: "uspgate_connections", Help: "Taken."}
	reg.MustRegister(prometheus.NewCounter(other)) //nolint:promlinter // the clash is what is tested
	if _, err := mtp.NewMetrics(reg, mtp.WebSocket); err == nil {
		t.Fatal("NewMetrics: got nil, want an error")
	}
}

func TestNoMetrics(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, nil, mtp.WebSocket)
	if m != nil {
		t.Fatalf("NewMetrics without a registry: got %v, want nil", m)
	}
	m.LinkUp()
	m.LinkDown()
	m.Received(nil)
	m.Sent(1, nil)
	m.Rejected(mtp.RejectAuth)
}

func newMetrics(t *testing.T, reg prometheus.Registerer, kind mtp.Kind) *mtp.KindMetrics {
	t.Helper()
	m, err := mtp.NewMetrics(reg, kind)
	if err != nil {
		t.Fatalf("NewMetrics: got %v, want nil", err)
	}
	return m
}
