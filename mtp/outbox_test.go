// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var errWrite = errors.New("write")

// outcome is what a Port heard.
type outcome struct {
	token mtp.Token
	err   error
}

// port notes what is settled; its other methods are not called by an Outbox.
type port struct {
	mtp.Port
	mu       sync.Mutex
	outcomes []outcome
	on       func(mtp.Token, error)
}

func (p *port) Settled(t mtp.Token, err error) {
	p.mu.Lock()
	p.outcomes = append(p.outcomes, outcome{t, err})
	p.mu.Unlock()
	if p.on != nil {
		p.on(t, err)
	}
}

func (p *port) want(t *testing.T, want ...outcome) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.outcomes) != len(want) {
		t.Fatalf("settled: got %v, want %v", p.outcomes, want)
	}
	for i := range want {
		if p.outcomes[i] != want[i] {
			t.Fatalf("settled: got %v, want %v", p.outcomes, want)
		}
	}
}

func record(size int) usp.Record {
	return usp.NewNoSession("os::a", "os::b", "", make([]byte, size))
}

func enqueue(t *testing.T, b *mtp.Outbox, token mtp.Token, want error) {
	t.Helper()
	if got := b.Enqueue(record(10), mtp.Hint{}, token); !errors.Is(got, want) {
		t.Fatalf("Enqueue(%d): got %v, want %v", token, got, want)
	}
}

func closed(b *mtp.Outbox) bool {
	select {
	case <-b.Done():
		return true
	default:
		return false
	}
}

func TestOutboxWritesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]mtp.Token
		p := &port{}
		b := mtp.NewOutbox(mtp.OutboxOptions{Write: func(batch []mtp.Outgoing) error {
			var tokens []mtp.Token
			for _, o := range batch {
				tokens = append(tokens, o.Token)
			}
			batches = append(batches, tokens)
			return nil
		}})
		for token := range mtp.Token(3) {
			enqueue(t, b, token, nil)
		}
		synctest.Wait()
		p.want(t) // nothing before Start
		b.Start(p)
		synctest.Wait()
		enqueue(t, b, 3, nil)
		synctest.Wait()
		p.want(t, outcome{0, nil}, outcome{1, nil}, outcome{2, nil}, outcome{3, nil})
		if len(batches) != 2 || len(batches[0]) != 3 {
			t.Fatalf("batches: got %v, want what waited in one", batches)
		}
	})
}

func TestOutboxSplitsBatchesByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		b := mtp.NewOutbox(mtp.OutboxOptions{FlushBytes: 1000, Write: func(batch []mtp.Outgoing) error {
			sizes = append(sizes, len(batch))
			return nil
		}})
		for token := range mtp.Token(5) {
			if err := b.Enqueue(record(600), mtp.Hint{}, token); err != nil {
				t.Fatalf("Enqueue: got %v, want nil", err)
			}
		}
		b.Start(&port{})
		synctest.Wait()
		if len(sizes) != 3 || sizes[0] != 2 || sizes[1] != 2 || sizes[2] != 1 {
			t.Fatalf("Records per Write: got %v, want [2 2 1]", sizes)
		}
	})
}

func TestOutboxBounds(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name  string
		opts  mtp.OutboxOptions
		sizes []int
		want  []error
	}{
		{"records", mtp.OutboxOptions{MaxRecords: 2}, []int{1, 1, 1}, []error{nil, nil, mtp.ErrFull}},
		{"bytes", mtp.OutboxOptions{MaxBytes: 1000}, []int{400, 400, 400, 1}, []error{nil, nil, mtp.ErrFull, nil}},
		{"one larger than all", mtp.OutboxOptions{MaxBytes: 1000}, []int{4000, 1}, []error{nil, mtp.ErrFull}},
		{
			"default records",
			mtp.OutboxOptions{},
			make([]int, mtp.DefaultQueueRecords+1), append(make([]error, mtp.DefaultQueueRecords), mtp.ErrFull),
		},
		{"default bytes", mtp.OutboxOptions{}, []int{mtp.DefaultQueueBytes - 100, 100}, []error{nil, mtp.ErrFull}},
	}
	for _, v := range vectors {
		v.opts.Write = func([]mtp.Outgoing) error { return nil }
		b := mtp.NewOutbox(v.opts)
		for i, size := range v.sizes {
			if got := b.Enqueue(record(size), mtp.Hint{}, mtp.Token(i)); !errors.Is(got, v.want[i]) {
				t.Fatalf("%s: Enqueue %d: got %v, want %v", v.name, i, got, v.want[i])
			}
		}
	}
}

// TestOutboxSettledMakesRoom: from within Settled there is room for one more.
func TestOutboxSettledMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mtp.NewOutbox(mtp.OutboxOptions{MaxRecords: 1, Write: func([]mtp.Outgoing) error { return nil }})
		p := &port{}
		p.on = func(token mtp.Token, _ error) {
			if token < 100 {
				enqueue(t, b, token+1, nil)
			}
		}
		b.Start(p)
		enqueue(t, b, 0, nil)
		synctest.Wait()
		if got := len(p.outcomes); got != 101 {
			t.Fatalf("settled: got %d, want 101", got)
		}
	})
}

func TestOutboxFailedWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		b := mtp.NewOutbox(mtp.OutboxOptions{FlushBytes: 1, Write: func([]mtp.Outgoing) error {
			if writes++; writes == 2 {
				return errWrite
			}
			return nil
		}})
		for token := range mtp.Token(4) {
			enqueue(t, b, token, nil)
		}
		p := &port{}
		p.on = func(token mtp.Token, err error) {
			if err != nil {
				enqueue(t, b, token+10, mtp.ErrLinkDown)
			}
		}
		b.Start(p)
		synctest.Wait()
		p.want(t, outcome{0, nil}, outcome{1, mtp.ErrLinkDown}, outcome{2, mtp.ErrLinkDown}, outcome{3, mtp.ErrLinkDown})
		if !closed(b) {
			t.Fatal("Done: got open, want closed")
		}
	})
}

func TestOutboxCloseFlushes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finished := 0
		p := &port{}
		b := mtp.NewOutbox(mtp.OutboxOptions{
			Write: func([]mtp.Outgoing) error { return nil },
			Finish: func() {
				finished++
				p.want(t, outcome{1, nil}, outcome{2, nil})
			},
		})
		b.Start(p)
		enqueue(t, b, 1, nil)
		enqueue(t, b, 2, nil)
		b.Close(time.Second)
		b.Close(0)
		enqueue(t, b, 3, mtp.ErrLinkDown)
		<-b.Done()
		if finished != 1 {
			t.Fatalf("Finish: got %d calls, want 1", finished)
		}
		b.Fail()
		b.Poke()
		<-time.After(2 * time.Second) // the deadline passes and changes nothing
	})
}

// TestOutboxCloseDeadline: a Write that hangs is aborted at the deadline.
func TestOutboxCloseDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		abort := make(chan struct{})
		b := mtp.NewOutbox(mtp.OutboxOptions{
			FlushBytes: 1,
			Write: func([]mtp.Outgoing) error {
				<-abort
				return errWrite
			},
			Finish: func() { t.Error("Finish was called") },
			Abort:  func() { close(abort) },
		})
		p := &port{}
		b.Start(p)
		for token := range mtp.Token(3) {
			enqueue(t, b, token, nil)
		}
		begin := time.Now()
		b.Close(3 * time.Second)
		<-b.Done()
		if took := time.Since(begin); took != 3*time.Second {
			t.Fatalf("Done: got after %v, want after 3s", took)
		}
		p.want(t, outcome{0, mtp.ErrLinkDown}, outcome{1, mtp.ErrLinkDown}, outcome{2, mtp.ErrLinkDown})
	})
}

func TestOutboxDiscard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mtp.NewOutbox(mtp.OutboxOptions{Write: func([]mtp.Outgoing) error {
			t.Error("Write was called")
			return nil
		}})
		enqueue(t, b, 1, nil)
		b.Discard()
		<-b.Done()
		enqueue(t, b, 2, mtp.ErrLinkDown)
		if records, bytes := b.Outstanding(); records != 0 || bytes != 0 {
			t.Fatalf("Outstanding: got %d %d, want 0 0", records, bytes)
		}
	})
}

func TestOutboxPoke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var writes []int
		b := mtp.NewOutbox(mtp.OutboxOptions{Write: func(batch []mtp.Outgoing) error {
			writes = append(writes, len(batch))
			return nil
		}})
		b.Start(&port{})
		b.Poke()
		synctest.Wait()
		if len(writes) != 1 || writes[0] != 0 {
			t.Fatalf("Writes: got %v, want one of nothing", writes)
		}
	})
}

// TestOutboxStress: many senders, a Write that fails at some time, a Fail or
// Close at some other: every token taken is settled once, per sender in order,
// and after the first ErrLinkDown no other outcome follows.
func TestOutboxStress(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		stress(t, rand.New(rand.NewPCG(seed, 0)))
	}
}

func stress(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	const senders, each = 4, 100
	failAt, endAt := int32(rnd.IntN(300)), mtp.Token(rnd.IntN(senders*each))
	graceful := rnd.IntN(2) == 0
	var writes atomic.Int32
	var writing atomic.Bool
	b := mtp.NewOutbox(mtp.OutboxOptions{
		MaxRecords: 1 + rnd.IntN(40), FlushBytes: 1 + rnd.IntN(300),
		Write: func([]mtp.Outgoing) error {
			if !writing.CompareAndSwap(false, true) {
				t.Error("two Writes at a time")
			}
			defer writing.Store(false)
			runtime.Gosched()
			if writes.Add(1) == failAt {
				return errWrite
			}
			return nil
		},
	})
	p := &port{}
	b.Start(p)
	var taken [senders][]mtp.Token
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				token := mtp.Token(s*each + i)
				if token == endAt {
					end(b, graceful)
				}
				for {
					err := b.Enqueue(record(int(token)%100), mtp.Hint{}, token)
					if err == nil {
						taken[s] = append(taken[s], token)
					}
					if !errors.Is(err, mtp.ErrFull) {
						break
					}
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	b.Close(time.Minute)
	<-b.Done()
	checkOutcomes(t, p.outcomes, taken[:], each)
}

func end(b *mtp.Outbox, graceful bool) {
	if graceful {
		b.Close(time.Minute)
	} else {
		b.Fail()
	}
}

func checkOutcomes(t *testing.T, got []outcome, taken [][]mtp.Token, each int) {
	t.Helper()
	down := false
	perSender := make([][]mtp.Token, len(taken))
	for _, o := range got {
		if down && o.err == nil {
			t.Fatalf("token %d was delivered after an ErrLinkDown", o.token)
		}
		down = down || o.err != nil
		s := int(o.token) / each
		perSender[s] = append(perSender[s], o.token)
	}
	for s := range taken {
		if len(perSender[s]) != len(taken[s]) {
			t.Fatalf("sender %d: got %d settled, want %d", s, len(perSender[s]), len(taken[s]))
		}
		for i := range taken[s] {
			if perSender[s][i] != taken[s][i] {
				t.Fatalf("sender %d: got token %d settled in place %d, want %d", s, perSender[s][i], i, taken[s][i])
			}
		}
	}
}

// TestOutboxAllocs: no allocation per Record once the queue has its size.
func TestOutboxAllocs(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	settled := make(chan struct{})
	p := &quietPort{settled: settled}
	b := mtp.NewOutbox(mtp.OutboxOptions{Write: func([]mtp.Outgoing) error { return nil }})
	b.Start(p)
	rec := record(400)
	got := testing.AllocsPerRun(1000, func() {
		if err := b.Enqueue(rec, mtp.Hint{}, 1); err != nil {
			t.Errorf("Enqueue: got %v, want nil", err)
		}
		<-settled
	})
	if got > 0 {
		t.Fatalf("allocations per Record: got %v, want 0", got)
	}
}

type quietPort struct {
	mtp.Port
	settled chan struct{}
}

func (p *quietPort) Settled(mtp.Token, error) { p.settled <- struct{}{} }
