// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/store"
)

// BenchmarkStorePut writes 512 bytes to one of 1,000 keys, durably, beside a bare
// key-value bucket of a server that syncs always.
func BenchmarkStorePut(b *testing.B) {
	value := make([]byte, 512)
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("store/%d", writers), func(b *testing.B) {
			bucket := benchBucket(b, store.BucketOptions{})
			benchPuts(b, writers, func(key string) error {
				_, err := bucket.Put(context.Background(), key, value)
				return err
			})
		})
		b.Run(fmt.Sprintf("bare/%d", writers), func(b *testing.B) {
			kv := bareBucket(b)
			benchPuts(b, writers, func(key string) error {
				_, err := kv.Put(context.Background(), key, value)
				return err
			})
		})
	}
}

// BenchmarkStoreEach reads 200,000 keys of 256 bytes.
func BenchmarkStoreEach(b *testing.B) {
	bucket := benchBucket(b, store.BucketOptions{Cache: true})
	const keys = 200_000
	value := make([]byte, 256)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := next.Add(1); n <= keys; n = next.Add(1) {
				if _, err := bucket.Put(context.Background(), "device/"+strconv.FormatInt(n, 10), value); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := bucket.Each(context.Background(), "", func(store.Entry) error { n++; return nil })
		if err != nil || n != keys {
			b.Fatalf("Each: got %d, %v, want %d", n, err, keys)
		}
	}
}

func benchPuts(b *testing.B, writers int, put func(key string) error) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := put(strconv.FormatInt(n%1000, 10)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

func benchBucket(b *testing.B, o store.BucketOptions) store.Bucket {
	b.Helper()
	e, err := engine.Open(b.Context(), engine.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	bucket, err := e.Store().Bucket(b.Context(), "A", o)
	if err != nil {
		b.Fatal(err)
	}
	return bucket
}

func bareBucket(b *testing.B) jetstream.KeyValue {
	b.Helper()
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: b.TempDir(), SyncAlways: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	b.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	kv, err := js.CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "A"})
	if err != nil {
		b.Fatal(err)
	}
	return kv
}
