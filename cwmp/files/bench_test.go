// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"io"
	"net/http"
	"runtime"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

// One download of 64 MiB over loopback, client included.
func BenchmarkDownload(b *testing.B) {
	s := start(b, files.Options{})
	const size = 64 << 20
	u := offer(b, s, files.Offer{Content: contentOf(pattern(size))}).URL
	c := &http.Client{}
	defer c.CloseIdleConnections()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := c.Get(u)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			b.Fatalf("got %d, %v", n, err)
		}
		_ = resp.Body.Close()
	}
}

// What a job takes.
func BenchmarkOffer(b *testing.B) {
	s := start(b, files.Options{MaxJobs: 1 << 30})
	c := contentOf("x")
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		offer(b, s, files.Offer{Content: c})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/job")
}
