// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"fmt"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/internal/fifo"
	"github.com/uspgate/uspgate/usp"
)

// qos0 marks the tokens of PUBLISHes that get no PUBACK.
const qos0 = mtp.Token(1) << 63

// carrier is the connection that a flow writes to. No method blocks for longer
// than the write timeout, and none calls the flow.
type carrier interface {
	// address decides how e goes; an error settles it.
	address(e *entry) (publish, error)
	// send writes whole packets, tail following head immediately.
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
	// window is how many PUBLISHes may be without PUBACK: the peer's Receive
	// Maximum, or less [MQTT-3.3.4-9].
	window int
	// receive is how many PUBLISHes the peer may have without PUBACK.
	receive int
	// ids is the highest packet identifier of a PUBLISH; 0: any.
	ids uint16
	// maxPacket is the largest packet in bytes that the peer takes; 0: any.
	maxPacket int
	v5        bool
	// insist ends the connection where MQTT 3.1.1 has no way to say no, so
	// that the peer sends again.
	insist bool
	// parks leaves what was refused with mtp.ErrBusy unacknowledged, for a broker
	// takes any PUBACK as the end of it, and closes the connection repeatAfter
	// later, so that it comes again with the session.
	parks        bool
	repeatAfter  time.Duration
	closeTimeout time.Duration
	metrics      *mtp.KindMetrics
}

// entry is a Record on its way out, or a message of plain MQTT.
type entry struct {
	data     []byte
	from, to usp.EndpointID
	dest     string
	token    mtp.Token
	gate     uint64    // the Record waits until flow.opened has come so far
	plain    *delivery // nil: a Record
	id       uint16
	state    entryState
}

type entryState uint8

const (
	entryWaiting  entryState = iota
	entryFlushing            // encoded, and done when it is written
	entryFlying              // encoded with QoS 1: done at its PUBACK
	entrySettled
)

type flowState uint8

const (
	flowOpen    flowState = iota
	flowClosing           // takes nothing more, writes what it has, waits for PUBACKs
	flowLeaving           // has said good-bye
	flowEnded
)

// flow is what both roles have in common: the Records on their way out, from
// Enqueue to Settled, and the acknowledgements owed for those that have come
// in. One writer at a time does all the writing: a goroutine that starts when
// there is something to write and ends when there is nothing.
//
// Every token taken is settled exactly once: with QoS 0 when it has been
// written, with QoS 1 at its PUBACK, and by end, with mtp.ErrLinkDown and in
// the order of Enqueue, whatever is left. No method but end blocks.
type flow struct {
	c carrier
	o flowOptions

	mu      sync.Mutex
	port    mtp.Port // nil until start
	ready   bool     // the peer can take Records
	state   flowState
	cause   error // of the end; the first one counts
	out     fifo.Queue[entry]
	base    uint64 // number of the oldest entry since the beginning
	next    int    // index in out of the first entry that waits
	records int    // not settled
	bytes   int    // not settled
	// messages and messageBytes are those of plain MQTT, which have a room of
	// their own: a full queue of them must not keep Records out.
	messages, messageBytes int
	// gate is put on what is enqueued, opened is how far it has been opened.
	gate, opened uint64
	lastID       uint16
	in           receipts
	unacked      mtp.Token // last token of QoS 0

	running bool
	runFunc func() // run, bound once so that starting it allocates nothing
	timer   *time.Timer
	repeat  *time.Timer    // runs once something is parked
	wg      sync.WaitGroup // the writer and the timers
}

// errRepeat closes a connection on which Records were left unacknowledged.
var errRepeat = fmt.Errorf("mqtt: for the broker to send again what there was no room for: %w", mtp.ErrBusy)

func newFlow(c carrier, o flowOptions) *flow {
	if o.maxRecords <= 0 {
		o.maxRecords = mtp.DefaultQueueRecords
	}
	if o.maxBytes <= 0 {
		o.maxBytes = mtp.DefaultQueueBytes
	}
	def(&o.ids, maxIDs)
	f := &flow{c: c, o: o}
	f.runFunc = f.run
	return f
}

// start begins to write and to settle at p. What the router has enqueued
// during LinkUp has waited for it.
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

// setGate has what is enqueued from now on wait for openGate(n).
func (f *flow) setGate(n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = max(f.gate, n)
}

func (f *flow) openGate(n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = max(f.opened, n)
	f.wake()
}

// deliver queues a message of plain MQTT; it is false if there is no room, and
// the message is dropped.
func (f *flow) deliver(d *delivery) bool {
	size := d.size()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != flowOpen || f.messages >= f.o.maxRecords || f.messages > 0 && f.messageBytes+size > f.o.maxBytes {
		return false
	}
	f.out.Push(entry{plain: d})
	f.messages++
	f.messageBytes += size
	f.wake()
	return true
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
	f.out.Push(entry{data: data, from: h.From, to: h.To, dest: dest, token: t, gate: f.gate})
	f.records++
	f.bytes += len(data)
	f.wake()
	return nil
}

// received notes a PUBLISH and returns its token; it is false if the peer has
// more of them without acknowledgement than it may [MQTT-3.3.4-7].
func (f *flow) received(id uint16, qos byte) (mtp.Token, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if qos == 0 {
		f.unacked++
		return f.unacked | qos0, true
	}
	if f.in.open() >= f.o.receive {
		return 0, false
	}
	return f.in.add(id, qos), true
}

// repeated is receipts.repeated.
func (f *flow) repeated(id uint16) (again, answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.in.repeated(id)
}

// released is receipts.release.
func (f *flow) released(id uint16) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.in.release(id)
}

// ack is Link.Ack: the writer acknowledges in the order of receipt.
func (f *flow) ack(t mtp.Token, err error) {
	f.o.metrics.Received(err)
	f.answer(t, err)
}

// answer acknowledges what may be no Record.
func (f *flow) answer(t mtp.Token, err error) {
	if t&qos0 != 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in.settle(t, err) {
		f.wake()
	}
}

// acked takes a PUBACK with the outcome that it tells.
func (f *flow) acked(id uint16, outcome error) {
	f.mu.Lock()
	for i := range f.next {
		e := f.out.At(i)
		if e.state != entryFlying || e.id != id {
			continue
		}
		t, port, plain := e.token, f.port, e.plain != nil
		f.finish(i)
		f.wake()
		f.mu.Unlock()
		if plain {
			return
		}
		f.o.metrics.Sent(1, outcome)
		port.Settled(t, outcome)
		return
	}
	f.mu.Unlock()
}

// finish takes an entry out; f.mu is held.
func (f *flow) finish(i int) {
	e := f.out.At(i)
	if e.plain != nil {
		f.messages--
		f.messageBytes -= e.plain.size()
	} else {
		f.records--
		f.bytes -= len(e.data)
	}
	*e = entry{state: entrySettled}
	for f.next > 0 && f.out.At(0).state == entrySettled {
		f.out.Pop()
		f.base++
		f.next--
	}
}

// close takes nothing more, writes what is queued, waits for its PUBACKs, and
// says good-bye. What takes longer than the deadline is cut off.
func (f *flow) close(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != flowOpen {
		return
	}
	f.state, f.cause = flowClosing, cause
	mtp.Release(f.port)
	f.wg.Add(1)
	f.timer = time.AfterFunc(f.o.closeTimeout, func() {
		defer f.wg.Done()
		f.c.stop()
	})
	f.wake()
}

// fail ends the connection at once. The owner of the connection calls end then.
func (f *flow) fail(cause error) {
	f.mu.Lock()
	if f.cause == nil {
		f.cause = cause
	}
	f.state = flowEnded
	mtp.Release(f.port)
	f.mu.Unlock()
	f.c.stop()
}

// over reports that nothing is to be taken from the peer any more.
func (f *flow) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state >= flowLeaving
}

// end is called once, by the owner of the connection, when that is closed and
// nothing more comes from the peer. It waits for the writer, settles what is
// left and returns the cause of the end: cause, unless there was one before.
func (f *flow) end(cause error) error {
	f.mu.Lock()
	f.state = flowEnded
	if f.cause == nil {
		f.cause = cause
	}
	for _, t := range []*time.Timer{f.timer, f.repeat} {
		if t != nil && t.Stop() {
			f.wg.Done()
		}
	}
	cause = f.cause
	f.mu.Unlock()
	f.wg.Wait()

	f.mu.Lock()
	left, port := f.out, f.port
	f.out, f.next, f.records, f.bytes, f.in = fifo.Queue[entry]{}, 0, 0, 0, receipts{}
	f.messages, f.messageBytes = 0, 0
	f.mu.Unlock()
	if port == nil {
		return cause // never introduced, or refused: nobody waits for an outcome
	}
	for ; left.Len() > 0; left.Pop() {
		if e := left.At(0); e.state != entrySettled && e.plain == nil {
			f.o.metrics.Sent(1, mtp.ErrLinkDown)
			port.Settled(e.token, mtp.ErrLinkDown)
		}
	}
	return cause
}
