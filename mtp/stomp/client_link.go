// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/usp"
)

// Receipts that are not those of Records, which are numbers.
const (
	receiptReady = "ready" // of the last SUBSCRIBE of a new connection
	receiptBye   = "bye"   // of DISCONNECT
)

// clientLink is the connection with a broker.
type clientLink struct {
	core
	client *Client
	up     func()
	own    string // the own destination; "" if each Endpoint has its own
	// assigned is one that the broker has named beside those.
	assigned string
	keeper   keeper
	keep     sync.WaitGroup // the goroutine of keeper
	way      way            // of the writer, with flow.mu

	mu          sync.Mutex
	leaving     bool
	established bool
}

var (
	_ mtp.Link        = (*clientLink)(nil)
	_ mtp.Connector   = (*clientLink)(nil)
	_ mtp.Representer = (*clientLink)(nil)
	_ carrier         = (*clientLink)(nil)
)

func newClientLink(c *Client, raw net.Conn, up func()) *clientLink {
	l := &clientLink{client: c, up: up}
	l.init(raw, &c.opts.LinkOptions, c.metrics)
	window := c.opts.MaxInflight
	if c.opts.NoReceipts {
		window = 0
	}
	l.flow.init(l, flowOptions{
		maxRecords: c.opts.QueueRecords, maxBytes: c.opts.QueueBytes, window: window, cautious: c.suspects,
		closeTimeout: c.opts.CloseTimeout, metrics: c.metrics,
	})
	c.suspects = 0
	return l
}

// Represent implements mtp.Representer, as Client does.
func (l *clientLink) Represent(a usp.Address) { l.client.Represent(a) }

// Withdraw implements mtp.Representer, as Client does.
func (l *clientLink) Withdraw(a usp.Address) { l.client.Withdraw(a) }

// ConnectRecord implements mtp.Connector.
func (l *clientLink) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewSTOMPConnect(from, to, l.destinationOf(usp.Address{ID: from, Role: usp.RoleAgent}))
}

// destinationOf is where Records for a, one of this side, come.
func (l *clientLink) destinationOf(a usp.Address) string {
	if l.own != "" {
		return l.own
	}
	return l.opts.Destinations.of(a)
}

// run connects, introduces the Link and reads until the connection ends.
func (l *clientLink) run(ctx context.Context, h mtp.Handler) (err error) {
	defer l.rescue(&err)
	defer l.stop() // the connection is over
	if err := l.conn.SetDeadline(time.Now().Add(l.opts.HandshakeTimeout)); err != nil {
		return fmt.Errorf("stomp: %w", err)
	}
	beats, err := l.connect()
	if err != nil {
		return fmt.Errorf("stomp: connect: %w", err)
	}
	if !l.establish() {
		return mtp.ErrDraining
	}
	if err := l.introduce(h); err != nil {
		return err
	}
	l.pulse = newPulse(beats)
	l.keeper.add(&l.core)
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	l.keep.Go(func() { l.keeper.run(keeping) })
	if err := l.subscribe(); err != nil {
		return err
	}
	return l.read()
}

// establish reports whether the Link may come up: the transport has not ended.
func (l *clientLink) establish() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.established = !l.leaving
	return l.established
}

// introduce has the router take the Link.
func (l *clientLink) introduce(h mtp.Handler) error {
	port, err := h.LinkUp(l, l.client.peer(listen.Loopback(l.conn.Conn)))
	if err != nil {
		l.metrics.Rejected(mtp.RejectRouter)
		return fmt.Errorf("stomp: refused: %w", err)
	}
	l.port = port
	l.metrics.LinkUp()
	l.flow.start(port)
	return nil
}

// peer is who is on the other side: everybody on the broker, unless the
// configuration says that it is one.
func (c *Client) peer(loopback bool) mtp.Peer {
	o := &c.opts
	p := mtp.Peer{
		Kind: mtp.STOMP, Listener: o.Name, Remote: c.url.Host, Loopback: loopback,
		Endpoint: o.Peer, Role: o.Role.Opposite(), Shared: o.Peer == "",
		Identity:         mtp.Identity{Method: methodNone, Patterns: o.Patterns},
		NoConnectRecords: o.NoConnectRecords, Order: o.Order, MaxHold: o.MaxHold,
	}
	if o.Peer != "" {
		p.Identity.IDs = []usp.EndpointID{o.Peer}
	} else {
		p.Identity.Any = len(o.Patterns) == 0
	}
	if o.Presents {
		p.Presents = o.Endpoint
	}
	return p
}

// leave is called when the transport ends.
func (l *clientLink) leave() {
	l.mu.Lock()
	l.leaving = true
	established := l.established
	l.mu.Unlock()
	if established {
		l.flow.close(mtp.ErrDraining)
	} else {
		l.stop() // nothing has been promised
	}
}

// end settles what is left; the connection is closed.
func (l *clientLink) end(err error) error {
	l.keep.Wait()
	l.client.detach()
	err = l.flow.end(err)
	if l.port != nil {
		l.metrics.LinkDown()
		l.port.Down(err)
	}
	return err
}

// read handles what the broker sends.
func (l *clientLink) read() error {
	for {
		f, err := l.reader.next()
		if err != nil {
			return err
		}
		over, err := l.handle(f)
		if over || err != nil {
			return err
		}
	}
}

// handle deals with a frame; over says that the broker has confirmed our
// good-bye.
func (l *clientLink) handle(f *frame) (over bool, err error) {
	switch f.command {
	case cmdMessage:
		return false, l.receive(f)
	case cmdReceipt:
		return l.receipt(f)
	case cmdError:
		return false, l.failed(f)
	default:
		return false, violation("a frame that a broker does not send")
	}
}

// receive takes a MESSAGE. Nothing tells the broker of its outcome, for ack is
// auto [R-STOMP.27]; that is why it is taken until the very end.
func (l *clientLink) receive(f *frame) error {
	if err := l.learnReplyTo(f); err != nil {
		return err
	}
	t := l.flow.received("", false)
	rec, err := usp.NewRecord(f.body)
	if err != nil {
		l.Ack(t, err)
		return nil
	}
	l.take(&rec, l.replyTo, t)
	return nil
}

// receipt takes a RECEIPT, and reports whether it is that of our good-bye.
func (l *clientLink) receipt(f *frame) (over bool, err error) {
	switch id := f.values[hdrReceiptID]; string(id) {
	case receiptBye:
		return true, nil
	case receiptReady:
		return false, l.ready()
	default:
		if number, ok := receiptNumber(id); ok {
			l.flow.receipted(number, nil)
		}
	}
	return false, nil
}

// receiptNumber is the number of the Record whose SEND has asked for this
// receipt.
func receiptNumber(id []byte) (n uint64, ok bool) {
	if len(id) == 0 || len(id) > maxLengthDigits {
		return 0, false
	}
	for _, c := range id {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

// ready begins to send Records: the broker has confirmed the subscription, and
// has no more deadline but that of frames.
func (l *clientLink) ready() error {
	l.reader.timeout = l.opts.FrameTimeout
	l.flow.setReady(true)
	l.up()
	return l.conn.SetReadDeadline(time.Time{})
}

// failed takes an ERROR, after which the broker closes the connection
// [R-STOMP.25]. A Record that it is about would be refused again, and end every
// connection: it is refused for good. Many brokers do not say which one it is
// about; where it could be several, they go one by one on the next connection.
func (l *clientLink) failed(f *frame) error {
	number, known := receiptNumber(f.values[hdrReceiptID])
	if n, last := l.flow.unreceipted(); !known && n == 1 {
		number, known = last, true
	} else if !known {
		l.client.suspects = n
	}
	if known {
		l.flow.receipted(number, mtp.ErrForbidden)
	}
	return errorOf(f)
}

// errorOf is what an ERROR says.
func errorOf(f *frame) error {
	text := f.text(hdrMessage)
	if text == "" {
		text = string(f.body[:min(len(f.body), maxKept)])
	}
	return fmt.Errorf("stomp: the broker says %.*q", maxKept, text)
}

// begin implements carrier.
func (l *clientLink) begin(dst []byte, e *entry) ([]byte, error) {
	if !l.way.leads(e) {
		role := l.client.roleOf(e.from)
		destination := e.dest
		if destination == "" {
			destination = l.opts.Destinations.of(usp.Address{ID: e.to, Role: role.Opposite()})
		}
		replyTo := l.destinationOf(usp.Address{ID: e.from, Role: role})
		l.way.turn(e)
		l.way.head = appendSend(l.way.head[:0], destination, replyTo)
	}
	dst = append(dst, l.way.head...)
	if !l.client.opts.NoReceipts {
		dst = append(dst, "receipt:"...)
		dst = append(strconv.AppendUint(dst, e.number, 10), '\n')
	}
	return appendLength(dst, len(e.data)), nil
}

// bye implements carrier: DISCONNECT, whose RECEIPT is the end [R-STOMP.28].
func (l *clientLink) bye(error) {
	frame := appendEnd(appendHeader([]byte("DISCONNECT\n"), "receipt", receiptBye))
	if err := l.conn.send(frame, nil); err != nil {
		l.opts.Log.Debug("DISCONNECT was not sent", zap.Error(err))
		l.stop()
	}
}

// errNoDestination ends a connection that would hear nothing [R-STOMP.16].
var errNoDestination = errors.New("the broker names no destination to subscribe to")
