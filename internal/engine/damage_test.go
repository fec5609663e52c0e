// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// What damaged stores are filled with: more than two blocks of 8 MiB.
const (
	damageLanes  = 200
	damageDepth  = 100
	damageRecord = 1000 // bytes
	damageByte   = 0xA5 // that they are made of
	perMessage   = 1024 // items at most
)

// damageCase is one way in which the files of a store suffer.
type damageCase struct {
	file   string // below the streams; * is the first, + the last that fits
	change func(b []byte) []byte
	// lost are at least and at most so many Records.
	least, most int
	block       int // or of the block this part at least, 1 being all; its size says how many that are
}

func TestDamage(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		cases := damageCases(1)
		cases["length flipped"] = damageCase{file: "BUF/msgs/*.blk", change: flipLength, least: 1, most: perMessage}
		runDamage(t, "", cases)
	})
	t.Run("encrypted", func(t *testing.T) {
		t.Parallel()
		cases := damageCases(perMessage) // it may be a length that is flipped
		cases["key flipped"] = damageCase{file: "BUF/msgs/*.key", change: flipFirst, block: 1}
		cases["key missing"] = damageCase{file: "BUF/msgs/*.key", change: remove, block: 1}
		runDamage(t, keyFile(t, strings.Repeat("a secret", 4), 0o600), cases)
	})
}

// damageCases are the cases; what is flipped costs as many Records as flip at most.
func damageCases(flip int) map[string]damageCase {
	return map[string]damageCase{
		"none":                  {},
		"first block flipped":   {file: "BUF/msgs/*.blk", change: flipAt(4, 9), least: 1, most: flip},
		"last block flipped":    {file: "BUF/msgs/+.blk", change: flipAt(1, 2), least: 1, most: flip},
		"two places flipped":    {file: "BUF/msgs/*.blk", change: both(flipAt(1, 9), flipAt(8, 9)), least: 2, most: 2 * flip},
		"page of zeros":         {file: "BUF/msgs/*.blk", change: zeros(4096), least: 3, most: perMessage + 6},
		"first block cut":       {file: "BUF/msgs/*.blk", change: cutTo(2, 3), block: 3},
		"last block cut":        {file: "BUF/msgs/+.blk", change: cutTo(2, 3), least: 1, most: 4000},
		"first block empty":     {file: "BUF/msgs/*.blk", change: cutTo(0, 1), block: 1},
		"first block missing":   {file: "BUF/msgs/*.blk", change: remove, block: 1},
		"last block missing":    {file: "BUF/msgs/+.blk", change: remove, least: 1, most: 9000},
		"marks, first flipped":  {file: "MARK/msgs/*.blk", change: flipAt(0, 9)},
		"marks, last flipped":   {file: "MARK/msgs/+.blk", change: flipAt(8, 9)},
		"index flipped":         {file: "BUF/msgs/index.db", change: flipFirst},
		"index missing":         {file: "BUF/msgs/index.db", change: remove},
		"index of marks broken": {file: "MARK/msgs/index.db", change: cutTo(1, 2)},
	}
}

func runDamage(t *testing.T, key string, cases map[string]damageCase) {
	t.Helper()
	const all = damageLanes * damageDepth
	full := t.TempDir()
	fillDamage(t, engine.Options{Dir: full, KeyFile: key})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(full)); err != nil {
				t.Fatal(err)
			}
			if c.file != "" {
				c.apply(t, dir)
			}
			core, logs := observer.New(zap.ErrorLevel)
			got, dropped := drainDamaged(t, engine.Options{Dir: dir, KeyFile: key, Log: zap.New(core)})
			lost := all - got
			if lost < c.least || lost > c.most {
				t.Errorf("got %d of %d Records lost, want %d to %d", lost, all, c.least, c.most)
			}
			if dropped != lost {
				t.Errorf("got %d Records listed as damaged, want %d, which are missing", dropped, lost)
			}
			if reported := logs.Len() > 0; reported != (c.file != "") && !strings.Contains(c.file, "index") {
				t.Errorf("got log %v, want an error where there is damage, and nowhere else", logs.All())
			}
		})
	}
}

func (c *damageCase) apply(t *testing.T, dir string) {
	t.Helper()
	pattern := strings.NewReplacer("+", "*").Replace(c.file)
	files, err := filepath.Glob(filepath.Join(dir, "jetstream/$G/streams", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("got no %s, %v", c.file, err)
	}
	name := files[0]
	if strings.Contains(c.file, "+") {
		name = files[len(files)-1]
	}
	if c.block > 0 {
		info, err := os.Stat(strings.TrimSuffix(name, filepath.Ext(name)) + ".blk")
		if err != nil {
			t.Fatal(err)
		}
		c.least, c.most = int(info.Size())/(damageRecord+200)/c.block, int(info.Size())/damageRecord
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if b = c.change(b); b == nil {
		err = os.Remove(name)
	} else {
		err = os.WriteFile(name, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// flipAt changes a byte near a part of the file, within a Record if it can be seen
// where one is.
func flipAt(part, of int) func([]byte) []byte {
	return func(b []byte) []byte {
		at := len(b) * part / of
		if record := bytes.Index(b[at:], bytes.Repeat([]byte{damageByte}, 100)); record >= 0 {
			at += record
		}
		b[at+50] ^= 0x10
		return b
	}
}

func flipFirst(b []byte) []byte {
	b[0] ^= 0x10
	return b
}

func both(f, g func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte { return g(f(b)) }
}

// flipLength changes the length of the second message.
func flipLength(b []byte) []byte {
	second := binary.LittleEndian.Uint32(b)
	b[second+1] ^= 0x40
	return b
}

func zeros(n int) func([]byte) []byte {
	return func(b []byte) []byte {
		clear(b[len(b)/2 : len(b)/2+n])
		return b
	}
}

func cutTo(part, of int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:len(b)*part/of] }
}

func remove([]byte) []byte { return nil }

func damageLane(n int) buffer.Lane {
	return buffer.Lane{To: usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%06d", n)), Role: usp.RoleAgent}}
}

func fillDamage(t *testing.T, o engine.Options) {
	t.Helper()
	e, err := engine.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	q, err := e.Queue(context.Background(), engine.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var wg sync.WaitGroup
	for range damageDepth {
		for n := range damageLanes {
			lane := damageLane(n)
			rec := usp.NewNoSession("self::controller", lane.To.ID, "1.3", bytes.Repeat([]byte{damageByte}, damageRecord))
			wg.Add(1)
			q.Put(buffer.Item{Lane: lane, Record: rec, At: time.Now()}, func(_ uint64, err error) {
				if err != nil {
					t.Error(err)
				}
				wg.Done()
			})
		}
	}
	wg.Wait()
}

// drainDamaged opens a store, reads all there is, in order, and returns how many
// that were and how many are listed as damaged.
func drainDamaged(t *testing.T, o engine.Options) (got, dropped int) {
	t.Helper()
	e, err := engine.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	q, err := e.Queue(context.Background(), engine.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for n := range damageLanes {
		after := uint64(0)
		for {
			items, err := q.Read(t.Context(), damageLane(n), after, damageDepth, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(items) == 0 {
				break
			}
			for _, it := range items {
				if it.Seq <= after || it.Record.Len() < damageRecord {
					t.Fatalf("got seq %d of %d bytes after %d, want a whole one behind it", it.Seq, it.Record.Len(), after)
				}
				after = it.Seq
			}
			got += len(items)
		}
	}
	for _, d := range q.Dropped() {
		if d.Reason == buffer.ReasonDamaged {
			dropped += d.Records
		}
	}
	return got, dropped
}

// Of a Bucket no more is lost than the entry that is damaged, and it is told.
func TestDamageOfABucket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const entries = 100
	visit := func(reg prometheus.Registerer, f func(store.Bucket)) {
		e, err := engine.Open(context.Background(), engine.Options{Dir: dir, Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		b, err := e.Store().Bucket(t.Context(), "DEV", store.BucketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f(b)
	}
	visit(nil, func(b store.Bucket) {
		for i := range entries {
			if _, err := b.Put(t.Context(), fmt.Sprintf("key%d", i), bytes.Repeat([]byte{byte(i)}, 1000)); err != nil {
				t.Fatal(err)
			}
		}
	})
	c := damageCase{file: "KV_DEV/msgs/*.blk", change: flipAt(1, 2)}
	c.apply(t, dir)
	reg := prometheus.NewRegistry()
	visit(reg, func(b store.Bucket) {
		found := 0
		err := b.Each(t.Context(), "", func(e store.Entry) error {
			found++
			if len(e.Value) != 1000 || e.Key != fmt.Sprintf("key%d", e.Value[0]) {
				t.Errorf("got %d bytes of key %s, want its own 1000", len(e.Value), e.Key)
			}
			return nil
		})
		if err != nil || found != entries-1 {
			t.Errorf("got %d entries, %v, want %d", found, err, entries-1)
		}
	})
	want := `# HELP uspgate_engine_damage_total Damaged places of the store that were found at start.
# TYPE uspgate_engine_damage_total counter
uspgate_engine_damage_total 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "uspgate_engine_damage_total"); err != nil {
		t.Error(err)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "damaged", "KV_DEV-1-*.blk")); err != nil || len(kept) != 1 {
		t.Errorf("got %v, %v, want the block as it was found", kept, err)
	}
}
