// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/internal/fifo"
	"github.com/uspgate/uspgate/usp"
)

// carrier is the connection that a flow writes to. No method blocks for longer
// than the write timeout, and none calls the flow.
type carrier interface {
	// begin appends the frame of e up to its empty line, content-length
	// included. An error settles e.
	begin(dst []byte, e *entry) ([]byte, error)
	// send writes whole frames: head, and if there is a tail, that and a NUL.
	send(head, tail []byte) error
	// bye says good-bye after everything has been written. The peer closes the
	// connection then; if it does not, stop follows.
	bye(cause error)
	// stop ends the connection at once, which ends a send that hangs.
	stop()
}

// flowOptions bound a flow.
type flowOptions struct {
	maxRecords, maxBytes int
	// window is how many frames may be without RECEIPT; 0: none asks for one,
	// and a Record is delivered when it has been written.
	window int
	// cautious is how many Records go one by one before the window opens.
	cautious     int
	closeTimeout time.Duration
	metrics      *mtp.KindMetrics
}

// entry is a Record on its way out.
type entry struct {
	data     []byte
	from, to usp.EndpointID
	dest     string
	token    mtp.Token
	number   uint64 // since the beginning
	state    entryState
}

type entryState uint8

const (
	entryWaiting  entryState = iota
	entryFlushing            // encoded, and done when it is written
	entryFlying              // encoded: done at its RECEIPT
	entrySettled
)

type flowState uint8

const (
	flowOpen     flowState = iota
	flowClosing            // takes nothing more, writes what it has, waits for RECEIPTs
	flowDeparted           // the peer has said good-bye: only RECEIPTs are written
	flowLeaving            // has said good-bye
	flowEnded
)

// flow is what both roles have in common: the Records on their way out, from
// Enqueue to Settled, and the RECEIPTs owed for those that have come in. One
// writer at a time does the writing: a goroutine that starts when there is
// something to write and ends when there is nothing. Unlike an mtp.Outbox it
// waits for a subscription, and for RECEIPTs.
//
// Every token taken is settled exactly once: when it has been written, or at its
// RECEIPT, and by end, with mtp.ErrLinkDown and in the order of Enqueue,
// whatever is left. No method but end blocks.
type flow struct {
	c carrier
	o flowOptions

	mu      sync.Mutex
	port    mtp.Port // nil until start
	ready   bool     // the peer can take Records
	beat    bool     // a heart-beat is due
	running bool
	state   flowState
	cause   error // of the end; the first one counts
	out     fifo.Queue[entry]
	base    uint64 // number of the oldest entry
	next    int    // index in out of the first entry that waits
	records int    // not settled
	bytes   int    // not settled
	in      receipts
	control []byte // whole frames that go before Records

	runFunc func() // run, bound once so that starting it allocates nothing
	timer   *time.Timer
	wg      sync.WaitGroup // the writer and the timer
}

func (f *flow) init(c carrier, o flowOptions) {
	if o.maxRecords <= 0 {
		o.maxRecords = mtp.DefaultQueueRecords
	}
	if o.maxBytes <= 0 {
		o.maxBytes = mtp.DefaultQueueBytes
	}
	f.c, f.o = c, o
	f.runFunc = f.run
}

// start begins to write Records and to settle at p. What the router has
// enqueued during LinkUp has waited for it.
func (f *flow) start(p mtp.Port) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.port = p; f.state >= flowClosing {
		mtp.Release(p)
	}
	f.wake()
}

// setReady says whether the peer can take Records now.
func (f *flow) setReady(ready bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = ready
	f.wake()
}

// tell queues whole frames that go before Records.
func (f *flow) tell(frames []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != flowOpen {
		return
	}
	f.control = append(f.control, frames...)
	f.wake()
}

// heartBeat has the writer write something soon.
func (f *flow) heartBeat() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state <= flowDeparted {
		f.beat = true
		f.wake()
	}
}

// enqueue is Link.Enqueue.
func (f *flow) enqueue(rec *usp.Record, dest string, t mtp.Token) error {
	data, h := rec.Bytes(), rec.Header()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.state != flowOpen:
		return mtp.ErrLinkDown
	case f.records >= f.o.maxRecords, f.records > 0 && f.bytes+len(data) > f.o.maxBytes:
		return mtp.ErrFull
	}
	number := f.base + uint64(f.out.Len())
	f.out.Push(entry{data: data, from: h.From, to: h.To, dest: dest, token: t, number: number})
	f.records++
	f.bytes += len(data)
	f.wake()
	return nil
}

// received notes a frame with a Record and returns its token.
func (f *flow) received(id string, asked bool) mtp.Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.in.add(receipt{id: id, asked: asked})
}

// ack is Link.Ack: the writer writes RECEIPTs in the order of arrival.
func (f *flow) ack(t mtp.Token, err error) {
	f.o.metrics.Received(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in.settle(t, err) {
		f.wake()
	}
}

// receipted takes the RECEIPT of the entry with this number, with the outcome
// that it tells.
func (f *flow) receipted(number uint64, outcome error) {
	f.mu.Lock()
	i := number - f.base
	if number < f.base || i >= uint64(f.next) || f.out.At(int(i)).state != entryFlying {
		f.mu.Unlock()
		return
	}
	t, port := f.out.At(int(i)).token, f.port
	f.finish(int(i))
	f.o.cautious = max(f.o.cautious-1, 0)
	f.wake()
	f.mu.Unlock()
	f.o.metrics.Sent(1, outcome)
	port.Settled(t, outcome)
}

// unreceipted returns how many Records are on their way without RECEIPT, and the
// number of the last.
func (f *flow) unreceipted() (n int, last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.next {
		if e := f.out.At(i); e.state == entryFlying {
			n, last = n+1, e.number
		}
	}
	return n, last
}

// finish takes an entry out; f.mu is held.
func (f *flow) finish(i int) {
	e := f.out.At(i)
	f.records--
	f.bytes -= len(e.data)
	*e = entry{state: entrySettled}
	for f.next > 0 && f.out.At(0).state == entrySettled {
		f.out.Pop()
		f.base++
		f.next--
	}
}

// close takes nothing more, writes what is queued, waits for its RECEIPTs, and
// says good-bye. What takes longer than the deadline is cut off.
func (f *flow) close(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != flowOpen {
		return
	}
	f.state, f.cause = flowClosing, cause
	mtp.Release(f.port)
	f.deadline()
	f.wake()
}

// depart writes the RECEIPTs that are owed to a peer that has said good-bye, the
// one for that last, and ends the connection.
func (f *flow) depart(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state > flowClosing {
		return
	}
	f.state = flowDeparted
	f.in.add(receipt{id: id, asked: true, done: true})
	f.deadline()
	f.wake()
}

// deadline stops the connection when it passes; f.mu is held.
func (f *flow) deadline() {
	if f.timer != nil {
		return
	}
	f.wg.Add(1)
	f.timer = time.AfterFunc(f.o.closeTimeout, func() {
		defer f.wg.Done()
		f.c.stop()
	})
}

// cut has the writer stop after what it is writing. The owner of the connection
// ends it.
func (f *flow) cut(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = cause
	}
	f.state = flowEnded
	mtp.Release(f.port)
}

// fail ends the connection at once. The owner of the connection calls end then.
func (f *flow) fail(cause error) {
	f.cut(cause)
	f.c.stop()
}

// over reports that nothing is to be taken from the peer any more.
func (f *flow) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state >= flowDeparted
}

// end is called once, by the owner of the connection, when that is closed and
// nothing more comes from the peer. It waits for the writer, settles what is
// left and returns the cause of the end: cause, unless there was one before.
func (f *flow) end(cause error) error {
	f.mu.Lock()
	departed := f.state == flowDeparted || f.state == flowLeaving && f.cause == nil
	f.state = flowEnded
	if f.cause == nil && !departed {
		f.cause = cause
	}
	if f.timer != nil && f.timer.Stop() {
		f.wg.Done()
	}
	cause = f.cause
	f.mu.Unlock()
	f.wg.Wait()

	f.mu.Lock()
	left, port := f.out, f.port
	f.out, f.next, f.records, f.bytes, f.in, f.control = fifo.Queue[entry]{}, 0, 0, 0, receipts{}, nil
	f.mu.Unlock()
	if port == nil {
		return cause // never introduced, or refused: nobody waits for an outcome
	}
	for ; left.Len() > 0; left.Pop() {
		if e := left.At(0); e.state != entrySettled {
			f.o.metrics.Sent(1, mtp.ErrLinkDown)
			port.Settled(e.token, mtp.ErrLinkDown)
		}
	}
	return cause
}
