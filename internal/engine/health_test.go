// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/store"
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

// Near its own limit the store takes nothing, and again once there is room.
func TestNothingIsTakenNearMaxStore(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), engine.Options{MaxStore: 8 << 20})
	b := bucketOf(t, s)
	deadline := time.Now().Add(10 * time.Second)
	keys := 0
	for {
		_, err := b.Put(t.Context(), strconv.Itoa(keys), make([]byte, 128<<10))
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("Put %d: got %v, want ErrFull at last", keys, err)
		}
		if keys++; keys > 58 { // slowly, so that the store is looked at before it is full
			<-time.After(300 * time.Millisecond)
		}
	}
	if keys >= 64 {
		t.Errorf("values: got %d of 128 KiB, want fewer than the limit", keys)
	}
	if err := s.e.Ready(); err == nil || !strings.Contains(err.Error(), "8388608") {
		t.Errorf("Ready: got %v, want a sentence with the limit", err)
	}
	for k := range keys {
		if _, err := b.Get(t.Context(), strconv.Itoa(k)); err != nil {
			t.Errorf("Get %d: got %v, want nil", k, err)
		}
		if k%2 == 0 {
			if err := b.Delete(t.Context(), strconv.Itoa(k), 0); err != nil {
				t.Errorf("Delete %d: got %v, want nil", k, err)
			}
		}
	}
	for s.e.Ready() != nil && time.Now().Before(deadline) {
		<-time.After(50 * time.Millisecond)
	}
	if _, err := b.Put(t.Context(), "again", nil); err != nil {
		t.Errorf("Put when there is room: got %v, want nil", err)
	}
}
