// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// A store whose files were cut, or had bytes flipped, says what it has lost, by
// address and number, and delivers the rest in order: what was acknowledged is
// what arrives and what is reported, together.
func TestDamagedStore(t *testing.T) {
	t.Parallel()
	first := func(blocks []string) string { return blocks[0] }
	middle := func(blocks []string) string { return blocks[len(blocks)/2] }
	last := func(blocks []string) string { return blocks[len(blocks)-1] }
	for name, c := range map[string]struct {
		stream string
		block  func(blocks []string) string
		damage func(b []byte, r *rand.Rand) []byte
		losses bool // there have to be some
	}{
		"first block flipped":  {"BUF", first, flip, true},
		"middle block flipped": {"BUF", middle, flip, true},
		"last block flipped":   {"BUF", last, flip, true},
		"first block cut":      {"BUF", first, cut, true},
		"last block cut":       {"BUF", last, cut, true},
		"first block empty":    {"BUF", first, empty, true},
		"last block empty":     {"BUF", last, empty, true},
		"first block gone":     {"BUF", first, gone, true},
		"last block gone":      {"BUF", last, gone, true},
		"marks flipped":        {"MARK", last, flip, false},
		"marks cut":            {"MARK", last, cut, false},
		"marks gone":           {"MARK", last, gone, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", "routing: {queue_limit: 100000, queue_bytes: 1GiB, window_bytes: 256MiB}\n")
			w.Start()
			const other usp.EndpointID = "os::00D09E-other"
			w.agent(asleep, true, habit{asleep: true})
			w.agent(other, true, habit{asleep: true})
			for _, from := range []usp.EndpointID{"self::a", "self::b"} {
				s := &mqttSender{
					l: w.l, addr: w.mqttNorth, self: from, v5: true, to: w.pairs(from, 50_000, asleep, other),
					pace: time.Millisecond, stop: w.stop, r: w.rand(),
				}
				w.background(from, s.run)
			}
			w.await(20*time.Second, func() error { return cmp.Or(w.takes("self::a", 500), w.takes("self::b", 500)) })
			close(w.stop)
			w.await(20*time.Second, func() error {
				if unacked, _ := w.l.owed(); unacked > 0 {
					return fmt.Errorf("%d are not acknowledged", unacked)
				}
				return nil
			})
			w.Kill()
			w.l.killed()
			blocks := w.blocks(c.stream)
			if len(blocks) < 2 && c.stream == "BUF" {
				t.Errorf("got the blocks %q, want several", blocks)
			}
			file := c.block(blocks)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			was := len(b)
			if b = c.damage(b, w.r); b == nil {
				err = os.Remove(file)
			} else {
				err = os.WriteFile(file, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, one of %d blocks: %d bytes before, %d after", filepath.Base(file), len(blocks), was, len(b))
			said := len(w.Log())
			w.Start()
			close(w.calm)
			w.await(20*time.Second, func() error { return w.accounted(w.Log()[said:]) })
			w.await(2*time.Second, w.nothingWaits)
			lost := w.writeOff()
			if c.losses != (lost > 0) {
				t.Errorf("got %d Records lost: is this what was damaged?", lost)
			}
			if got := w.dropped("damaged"); int(got) != lost {
				t.Errorf("got the metric %v, want %d Records", got, lost)
			}
			t.Logf("%d Records are lost, and reported", lost)
			w.verify(time.Hour)
		})
	}
}

// flip changes some bytes somewhere.
func flip(b []byte, r *rand.Rand) []byte {
	for range 3 {
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
	}
	return b
}

func cut(b []byte, r *rand.Rand) []byte { return b[:r.IntN(len(b))] }
func empty([]byte, *rand.Rand) []byte   { return []byte{} }
func gone([]byte, *rand.Rand) []byte    { return nil }

// blocks are the files of a stream in their order.
func (w *world) blocks(stream string) []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Data, "engine", "jetstream", "*", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("blocks of %s: got %q, %v", stream, files, err)
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".blk"))
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return number(a) - number(b) })
	return files
}

// reported are the losses in a log, by address.
func reported(log string) map[usp.EndpointID]int {
	out := make(map[usp.EndpointID]int)
	for line := range strings.Lines(log) {
		var entry struct {
			Level   string `json:"level"`
			To      string `json:"to"`
			Records int    `json:"records"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" && entry.Records > 0 {
			id, _, _ := strings.Cut(entry.To, " ") // the role follows
			out[usp.EndpointID(id)] += entry.Records
		}
	}
	return out
}

// missing are the Records that were acknowledged and have not come, by address.
func (l *ledger) missing() map[usp.EndpointID]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[usp.EndpointID]int)
	for _, f := range l.flows {
		came := f.arrivals()
		for i, s := range f.sent {
			if !s.acked.IsZero() && came[i+1] == 0 {
				out[f.to]++
			}
		}
	}
	return out
}

// accounted reports whether what is missing is what the log says is lost.
func (w *world) accounted(log string) error {
	missing, lost := w.l.missing(), reported(log)
	for _, f := range w.l.flows {
		if missing[f.to] != lost[f.to] {
			return fmt.Errorf("%s: %d Records are missing, %d are reported as lost", f.to, missing[f.to], lost[f.to])
		}
	}
	return nil
}

// writeOff takes all that is missing as reported, and returns how many that are.
func (w *world) writeOff() (lost int) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	for _, f := range w.l.flows {
		came := f.arrivals()
		for i := range f.sent {
			if came[i+1] == 0 {
				f.sent[i].dropped = true
				lost++
			}
		}
	}
	return lost
}

// dropped is what the gateway counts.
func (w *world) dropped(reason string) float64 {
	return w.Metrics()["uspgate_queue_dropped_total{reason=\""+reason+"\"}"]
}
