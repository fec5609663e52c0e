// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// senders is how many put at a time, each waiting for its outcome.
const senders = 64

func benchQueue(b *testing.B, o engine.Options) *engine.Queue {
	b.Helper()
	o.Dir = b.TempDir()
	e, err := engine.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	q, err := e.Queue(b.Context(), engine.QueueOptions{Limits: buffer.Limits{
		MaxRecords: 10_000_000, MaxBytes: 8 << 30, TotalRecords: 10_000_000, TotalBytes: 8 << 30,
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		q.Close()
		e.Close()
	})
	return q
}

func benchItem(n int) buffer.Item {
	to := usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%06d", n)), Role: usp.RoleAgent}
	rec := usp.NewNoSession("self::controller", to.ID, "1.3", make([]byte, 340)) // some 400 B
	return buffer.Item{Lane: buffer.Lane{To: to}, Record: rec, At: time.Now()}
}

// spread runs f b.N times on 64 goroutines and reports how often in a second.
func spread(b *testing.B, f func(sender int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range senders {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkBufferPut: durable puts of 64 senders into lanes of their own.
func BenchmarkBufferPut(b *testing.B) {
	q := benchQueue(b, engine.Options{})
	spread(b, func(i int) error {
		done := make(chan error, 1)
		q.Put(benchItem(i), func(_ uint64, err error) { done <- err })
		return <-done
	})
}

// BenchmarkBufferPeer: the same with JetStream alone, which fsyncs each message.
func BenchmarkBufferPeer(b *testing.B) {
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", DontListen: true, JetStream: true, StoreDir: b.TempDir(), SyncAlways: true,
		NoSigs: true, NoLog: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	b.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		b.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: "BUF", Subjects: []string{"b.*"}}); err != nil {
		b.Fatal(err)
	}
	item := benchItem(0)
	payload := item.Record.Bytes()
	spread(b, func(i int) error {
		_, err := js.Publish(context.Background(), fmt.Sprintf("b.%d", i), payload)
		return err
	})
}

// shuffled are the numbers below size in an order that is the same each time.
func shuffled(size int) []int { return rand.New(rand.NewPCG(1, 2)).Perm(size) }

// BenchmarkBufferDrain: Endpoints for each of which five Records wait, taken out
// by eight workers in an order that is not that of their coming.
func BenchmarkBufferDrain(b *testing.B) { benchDrain(b, engine.Options{}) }

// BenchmarkBufferDrainEncrypted: the same, from an encrypted store.
func BenchmarkBufferDrainEncrypted(b *testing.B) {
	key := filepath.Join(b.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		b.Fatal(err)
	}
	benchDrain(b, engine.Options{KeyFile: key})
}

func benchDrain(b *testing.B, o engine.Options) {
	b.Helper()
	q := benchQueue(b, o)
	var wg sync.WaitGroup
	for range 5 {
		for n := range b.N {
			wg.Add(1)
			q.Put(benchItem(n), func(_ uint64, err error) {
				if err != nil {
					b.Error(err)
				}
				wg.Done()
			})
			if n%4096 == 4095 {
				wg.Wait()
			}
		}
		wg.Wait()
	}
	order := shuffled(b.N)
	var next atomic.Int64
	b.ResetTimer()
	for range 8 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				lane := benchItem(order[n-1]).Lane
				items, err := q.Read(b.Context(), lane, 0, 256, 1<<20)
				if err != nil || len(items) != 5 {
					b.Errorf("got %d, %v, want 5 items", len(items), err)
					return
				}
				if err := q.Remove(b.Context(), lane, items[4].Seq); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "Endpoints/s")
}
