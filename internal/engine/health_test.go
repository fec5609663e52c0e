// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Below the watermark nothing is taken, and readiness says so.
func TestNothingIsTakenBelowTheWatermark(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir(), MinFree: 1 << 60, Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Ready(); err == nil || !strings.Contains(err.Error(), "free") {
		t.Errorf("Ready: got %v, want a sentence about free space", err)
	}
	q, err := e.Queue(t.Context(), engine.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	settled := make(chan error, 1)
	to := usp.Address{ID: "os::1-A", Role: usp.RoleAgent}
	q.Put(buffer.Item{
		Lane: buffer.Lane{To: to}, Record: usp.NewNoSession("self::c", to.ID, "", []byte("x")), At: time.Now(),
	}, func(_ uint64, err error) { settled <- err })
	if err := <-settled; !errors.Is(err, buffer.ErrFull) {
		t.Errorf("Put: got %v, want ErrFull", err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "uspgate_engine_free_bytes" && f.GetMetric()[0].GetGauge().GetValue() > 0 {
			return
		}
	}
	t.Error("there is no metric of the free space")
}
