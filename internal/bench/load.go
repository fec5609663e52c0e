// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/uspgate/uspgate/usp"
)

const (
	// maxBatch is how many Records go out in one write.
	maxBatch = 64
	// sampleEvery is how often a Record's latency is looked at.
	sampleEvery = 16
	// probeInterval is that of Records that ask whether the way is open.
	probeInterval = 20 * time.Millisecond
)

// errStill says that nothing moves any more.
var errStill = errors.New("bench: nothing arrives any more: Records are lost, or the relay stands still")

// Load is a sender and a receiver that are connected to a relay. It owns two
// goroutines, which end with Close. Run and Close are called by one goroutine.
type Load struct {
	o        Options
	from, to *client
	template template
	frames   []byte // batch preframed Records
	frame    frame
	batch    int
	packetID uint16
	number   uint64 // of the next Record
	written  uint64 // frames that are to be acknowledged
	start    time.Time
	serving  sync.WaitGroup
	moved    chan struct{} // tells the sender of progress; holds one
	stall    *time.Timer   // stopped but while the sender waits

	mu        sync.Mutex
	progress  progress
	err       error      // why a connection ended
	latencies *Histogram // nil: nobody is interested

	// Of the goroutine that reads at the receiver.
	next     uint64 // number of the next Record
	came     uint64
	probe    uint64
	sampled  [maxBatch]time.Duration
	samples  int
	arrivals time.Duration // when the portion came, once it is needed

	acks uint64 // of the goroutine that reads at the sender
}

// progress is how far a Load has come.
type progress struct {
	delivered uint64 // Records at the receiver
	acked     uint64 // acknowledgements at the sender
	probe     uint64 // the last probe that has arrived
}

// Dial connects both sides, shows the Agent to the Controller, and waits until
// a Record has come through.
func Dial(ctx context.Context, o Options) (*Load, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	t, err := newTemplate(o.From.Endpoint, o.To.Endpoint, o.Size)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	l := &Load{
		o: o, template: t, start: time.Now(), moved: make(chan struct{}, 1), stall: time.NewTimer(o.Timeout),
		batch: max(1, min(maxBatch, o.Window/4)),
	}
	l.stall.Stop()
	agent := usp.Address{ID: o.From.Endpoint, Role: usp.RoleAgent}
	controller := usp.Address{ID: o.To.Endpoint, Role: usp.RoleController}
	buffer := loadBuffer + 2*o.Size
	if l.to, err = dial(ctx, o.To.URL, identity{
		self: controller, peer: agent, own: o.To.Address, destination: o.To.destination(&o.From), qos: o.QoS,
	}, buffer); err != nil {
		return nil, err
	}
	l.serve(l.to, l.arrived, l.reportArrivals)
	if l.from, err = dial(ctx, o.From.URL, identity{
		self: agent, peer: controller, own: o.From.Address, destination: o.From.destination(&o.To), qos: o.QoS,
	}, buffer); err != nil {
		l.Close()
		return nil, err
	}
	l.serve(l.from, l.acknowledged, l.reportAcks)
	l.preframe()
	if err := l.open(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close ends the connections and waits for the goroutines.
func (l *Load) Close() {
	for _, c := range []*client{l.from, l.to} {
		if c != nil {
			_ = c.conn.Close() // nothing is left to be sent
		}
	}
	l.serving.Wait()
}

func (l *Load) serve(c *client, take func(event) error, flushed func()) {
	l.serving.Go(func() {
		err := c.serve(take, flushed)
		l.mu.Lock()
		if l.err == nil {
			l.err = err
		}
		l.mu.Unlock()
		l.wake()
	})
}

func (l *Load) wake() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// preframe lays the Records of a batch one behind the other.
func (l *Load) preframe() {
	l.frame = l.from.proto.frame(l.template.record)
	for range l.batch {
		l.frames = append(l.frames, l.frame.bytes...)
	}
}

// open shows the Agent and sends probes until one arrives.
func (l *Load) open(ctx context.Context) error {
	if rec, ok := l.from.proto.connect(l.o.From.Endpoint, l.o.To.Endpoint); ok {
		f := l.from.proto.frame(rec.Bytes())
		l.identify(f.bytes, f.ids)
		if err := l.from.write(f.bytes, len(f.bytes)); err != nil {
			return ended(err)
		}
	}
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	last := uint64(0)
	for {
		last++
		l.patch(0, probeBit|last)
		if err := l.from.write(l.frames[:len(l.frame.bytes)], len(l.frame.bytes)); err != nil {
			return ended(err)
		}
		select {
		case <-ticker.C:
		case <-l.moved:
		case <-ctx.Done():
			return fmt.Errorf("bench: no Record came through: %w", ctx.Err())
		}
		p, err := l.state()
		if err != nil {
			return err
		}
		if p.probe > 0 {
			return l.settle(ctx, last)
		}
	}
}

// settle waits until the last probe has arrived, so that nothing of it is in
// the way of what is measured.
func (l *Load) settle(ctx context.Context, last uint64) error {
	return l.await(ctx, func(p progress) bool { return p.probe == last && l.owed(p) == 0 })
}

// owed is how many acknowledgements are missing.
func (l *Load) owed(p progress) uint64 {
	if len(l.frame.ids) == 0 {
		return 0
	}
	return l.written - p.acked
}

func (l *Load) state() (progress, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress, l.err
}

// await blocks until done says so, a connection ends, or nothing has happened
// for Options.Timeout.
func (l *Load) await(ctx context.Context, done func(progress) bool) error {
	p, err := l.state()
	if err != nil || done(p) {
		return err
	}
	l.stall.Reset(l.o.Timeout)
	defer l.stall.Stop()
	for {
		select {
		case <-l.moved:
		case <-l.stall.C:
			return errStill
		case <-ctx.Done():
			return ctx.Err()
		}
		if p, err = l.state(); err != nil || done(p) {
			return err
		}
	}
}

// patch writes number and time into the i-th frame of the batch.
func (l *Load) patch(i int, number uint64) {
	f := l.frames[i*len(l.frame.bytes):][:len(l.frame.bytes)]
	rec := f[l.frame.record:]
	put(rec[l.template.number:], number)
	if number%sampleEvery == 0 {
		put(rec[l.template.stamp:], uint64(time.Since(l.start)))
	}
	l.identify(f, l.frame.ids)
}

// identify gives a frame the next packet identifier.
func (l *Load) identify(f []byte, offsets []int) {
	if len(offsets) == 0 {
		return
	}
	if l.packetID++; l.packetID == 0 {
		l.packetID = 1
	}
	for _, at := range offsets {
		f[at], f[at+1] = byte(l.packetID>>8), byte(l.packetID)
	}
	l.written++
}
