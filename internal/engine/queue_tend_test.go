// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// often is a Queue that is tended without a pause, and bears little.
func often(marks int64) engine.Options {
	return engine.Options{}.WithTending(5*time.Millisecond, 1<<20, 2<<20, marks)
}

// openTended opens a Queue that takes some 100,000 Records.
func openTended(t *testing.T, dir string, o engine.Options) *opened {
	t.Helper()
	o.Dir, o.Log = dir, zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	e, err := engine.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	limits := engine.QueueOptions{Limits: buffer.Limits{
		MaxRecords: 100_000, MaxBytes: 256 << 20, TotalRecords: 1_000_000, TotalBytes: 256 << 20,
	}}
	q, err := e.Queue(context.Background(), limits)
	if err != nil {
		e.Close()
		t.Fatal(err)
	}
	got := &opened{Queue: q, e: e, dir: dir, o: limits}
	t.Cleanup(got.close)
	return got
}

func tendLane(name string) buffer.Lane {
	return buffer.Lane{To: usp.Address{ID: usp.EndpointID("os::012345-" + name), Role: usp.RoleAgent}}
}

// fill puts the Records from number from on, of size bytes or a little more, and returns
// their Seqs.
func fill(t *testing.T, q *opened, l buffer.Lane, from, n, size int) []uint64 {
	t.Helper()
	seqs := make([]uint64, n)
	rest := strings.Repeat(".", size)
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		q.Put(buffer.Item{
			Lane: l, At: time.Now(),
			Record: usp.NewNoSession("self::c", l.To.ID, "", []byte(strconv.Itoa(from+i)+" "+rest)),
		}, func(seq uint64, err error) {
			defer all.Done()
			if seqs[i] = seq; err != nil {
				t.Errorf("Put: got %v, want nil", err)
			}
		})
	}
	all.Wait()
	return seqs
}

// churn puts Records and removes them, some at a time.
func churn(t *testing.T, q *opened, l buffer.Lane, n, size int) {
	t.Helper()
	for some := 16; n > 0; n -= some {
		seqs := fill(t, q, l, 0, some, size)
		if err := q.Remove(t.Context(), l, seqs[some-1]); err != nil {
			t.Fatalf("Remove: got %v, want nil", err)
		}
	}
}

// wantNumbers reads all that waits in l: the numbers from first up to and with last.
func wantNumbers(t *testing.T, q *opened, l buffer.Lane, first, last int) {
	t.Helper()
	items, err := q.Read(t.Context(), l, 0, 100_000, 1<<30)
	if err != nil {
		t.Fatalf("Read: got %v, want nil", err)
	}
	if len(items) != last-first+1 {
		t.Fatalf("%s: got %d Items, want %d", l.To.ID, len(items), last-first+1)
	}
	for i := range items {
		got, _, _ := strings.Cut(string(items[i].Record.Header().Payload), " ")
		if want := strconv.Itoa(first + i); got != want {
			t.Fatalf("%s: got %s at %d, want %s", l.To.ID, got, i, want)
		}
	}
}

func wantNoDamage(t *testing.T, q *opened) {
	t.Helper()
	if got := q.Dropped(); len(got) > 0 {
		t.Errorf("got %+v dropped, want nothing", got)
	}
}

// eventually waits until f says nothing more.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(20 * time.Second)
	for what := f(); what != ""; what = f() {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		<-tick.C
	}
}

// onDisk is what the blocks of a stream take.
func onDisk(t *testing.T, dir, stream string) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", stream, "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, name := range files {
		if info, err := os.Stat(name); err == nil { // it may have gone meanwhile
			sum += info.Size()
		}
	}
	return sum
}

// While one Record waits for ever the log does not grow for ever with what has come and
// gone behind it; and when nothing comes any more, it has shrunk.
func TestTheLogShrinksBehindAnOldRecord(t *testing.T) {
	t.Parallel()
	const most = 20 << 20 // two blocks and a half
	q := openTended(t, t.TempDir(), often(0))
	old, busy := tendLane("old"), tendLane("busy")
	fill(t, q, old, 1, 1, 10)
	fill(t, q, old, 2, 2, 10)
	for range 4 {
		churn(t, q, busy, 160, 100_000)
		wantOnDisk(t, q, most)
	}
	for range 2 {
		wantNoDamage(t, q)
		wantNumbers(t, q, old, 1, 3)
		if lanes := q.Lanes(); !slices.Equal(lanes, []buffer.Lane{old}) {
			t.Errorf("got Lanes %v, want the old one", lanes)
		}
		q.close()
		q = openTended(t, q.dir, often(0))
	}
}

// Also what is moved when nothing comes any more is purged.
func TestTheLogShrinksWhenNothingComes(t *testing.T) {
	t.Parallel()
	seldom := engine.Options{}.WithTending(time.Second, 1<<20, 2<<20, 0)
	q := openTended(t, t.TempDir(), seldom)
	fill(t, q, tendLane("old"), 1, 1, 10)
	churn(t, q, tendLane("busy"), 400, 100_000)
	wantOnDisk(t, q, 12<<20)
	wantNumbers(t, q, tendLane("old"), 1, 1)
}

func wantOnDisk(t *testing.T, q *opened, most int64) {
	t.Helper()
	eventually(t, func() string {
		if got := onDisk(t, q.dir, engine.LogStream); got > most {
			return fmt.Sprintf("got %d bytes on the disk, want at most %d", got, most)
		}
		return ""
	})
}

// A message at the head that the store has lost is reported, although nobody reads, and
// is not in the way.
func TestALostHeadIsNotInTheWay(t *testing.T) {
	t.Parallel()
	q := openTended(t, t.TempDir(), often(0))
	old := tendLane("old")
	seqs := fill(t, q, old, 1, 1, 10)
	seqs = append(seqs, fill(t, q, old, 2, 1, 10)...)
	loseMessage(t, q.e, engine.LogStream, q.Message(old, seqs[0]))
	churn(t, q, tendLane("busy"), 400, 100_000)
	wantOnDisk(t, q, 20<<20)
	for range 2 {
		drops := q.Dropped()
		if len(drops) != 1 || drops[0].Lane != old || drops[0].Seq != seqs[0] || drops[0].Records != 1 ||
			drops[0].Reason != buffer.ReasonDamaged {
			t.Errorf("got drops %+v, want the first Record as damaged", drops)
		}
		wantNumbers(t, q, old, 2, 2)
	}
	q.close()
	q = openTended(t, q.dir, often(0))
	wantNoDamage(t, q)
	wantNumbers(t, q, old, 2, 2)
}

// The marks do not grow for ever. What was removed while they were written anew does not
// come again after an end of either kind, although the log still has it.
func TestMarksAreWrittenAnew(t *testing.T) {
	t.Parallel()
	few := engine.Options{}.WithTending(5*time.Millisecond, 1<<40, 1<<40, 32<<10)
	q := openTended(t, t.TempDir(), few)
	waits := tendLane("waits")
	fill(t, q, waits, 1, 20, 10)
	marks := func() int64 {
		s, err := q.e.JetStream().Stream(t.Context(), engine.MarkStream)
		if err != nil {
			t.Fatal(err)
		}
		return int64(s.CachedInfo().State.Bytes)
	}
	const lanes, rounds, most = 100, 20, 256 << 10
	for round := range 3 {
		for range rounds {
			var all sync.WaitGroup
			for n := range lanes {
				all.Go(func() { churn(t, q, tendLane(fmt.Sprint(round, "-", n)), 16, 10) })
			}
			all.Wait()
			if got := marks(); got > most {
				t.Fatalf("got %d bytes of marks for %d lanes, want at most %d", got, lanes, most)
			}
		}
		eventually(t, func() string { // a mark says it all: the last Remove is noted soon
			image := openTended(t, crashImage(t, q.dir), few)
			defer image.close()
			wantNoDamage(t, image)
			wantNumbers(t, image, waits, 1, 20)
			if lanes := image.Lanes(); len(lanes) != 1 {
				return fmt.Sprintf("got %d Lanes after a crash, want one", len(lanes))
			}
			return ""
		})
		if round == 1 {
			q.close()
			q = openTended(t, q.dir, few)
		}
		wantNoDamage(t, q)
		wantNumbers(t, q, waits, 1, 20)
		if lanes := q.Lanes(); len(lanes) != 1 {
			t.Errorf("got %d Lanes, want one", len(lanes))
		}
	}
}

// A Record is missed if it is lost, also if all marks were written anew just when it was
// put.
func TestMarksWrittenAnewKnowWhatIsPut(t *testing.T) {
	t.Parallel()
	always := engine.Options{}.WithTending(time.Hour, 1<<40, 1<<40, 1)
	q := openTended(t, t.TempDir(), always)
	l := tendLane("a")
	for n := range 12 { // with ever more marks it is not for each
		seq := fill(t, q, l, n, 1, 10)[0]
		q.close()
		q = openTended(t, q.dir, always)
		loseMessage(t, q.e, engine.LogStream, q.Message(l, seq))
		q.close()
		q = openTended(t, q.dir, always)
		if got := q.Dropped(); len(got) != 1 || got[0].Seq != seq || got[0].Reason != buffer.ReasonDamaged {
			t.Fatalf("got drops %+v, want that %d is damaged", got, seq)
		}
	}
}

// movingDir, in the environment, makes the test binary the process that is killed.
const movingDir = "USPGATE_MOVING_DIR"

// TestKilledWhileMoving kills a process whose log is being moved: nothing that waited is
// lost, there twice, or in another order.
func TestKilledWhileMoving(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(movingDir); dir != "" {
		movingChild(t, dir)
		return
	}
	const lanes, rounds = 5, 4
	dir := t.TempDir()
	var acked [lanes]int
	var begun uint64
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWhileMoving$")
		cmd.Env = append(os.Environ(), movingDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, enough := 0, 60+round*17
		for said := bufio.NewScanner(out); said.Scan(); {
			var lane, n int
			if _, err := fmt.Sscanf(said.Text(), "acknowledged %d %d", &lane, &n); err != nil {
				continue // of the test binary
			}
			acked[lane] = n
			if lines++; lines == enough {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		if lines < enough {
			t.Fatalf("round %d: got %d Records, want %d", round, lines, enough)
		}
		q := openTended(t, dir, engine.Options{})
		wantNoDamage(t, q)
		for n := range lanes {
			l := tendLane(fmt.Sprint("keep-", n))
			got := q.Depth(l).Records
			if got < acked[n] {
				t.Errorf("round %d: got %d Records, want the %d that were acknowledged", round, got, acked[n])
			}
			wantNumbers(t, q, l, 1, got)
		}
		s, err := q.e.JetStream().Stream(t.Context(), engine.LogStream)
		if err != nil {
			t.Fatal(err)
		}
		first := s.CachedInfo().State.FirstSeq
		if first <= begun {
			t.Errorf("round %d: the log begins at %d as before, want that it was moved", round, first)
		}
		begun = first
		q.close()
	}
}

// movingChild puts Records that wait for ever, and between them such as come and go, and
// says what of the first is stored.
func movingChild(t *testing.T, dir string) {
	t.Helper()
	q := openTended(t, dir, engine.Options{}.WithTending(time.Millisecond, 64<<10, 256<<10, 64<<10))
	for i := 0; ; i++ {
		n := i % 5
		l := tendLane(fmt.Sprint("keep-", n))
		number := q.Depth(l).Records + 1
		fill(t, q, l, number, 1, 2000)
		if _, err := fmt.Fprintf(os.Stdout, "acknowledged %d %d\n", n, number); err != nil {
			return
		}
		churn(t, q, tendLane(fmt.Sprint("busy-", n)), 16, 20_000)
	}
}
