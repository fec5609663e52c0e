// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Times of a CoAP Endpoint. Those of RFC 7252 are longer; a gateway that has been
// killed is not to be waited for so long.
const (
	coapAckTimeout = 300 * time.Millisecond // doubled each time
	coapTries      = 4
	coapResponse   = 3 * time.Second // for a separate response
	coapRemembers  = 247 * time.Second
)

// coapEndpoint is an Endpoint on one UDP port that sends numbered Records, one
// after the other, and takes others. What was not answered 2.04 it writes again
// as a new request, before anything else. A request with a Message ID that it
// has seen within EXCHANGE_LIFETIME it answers as before [RFC 7252 4.5].
type coapEndpoint struct {
	habit

	l       *ledger
	gateway string // host:port
	self    usp.EndpointID
	own     string // host:port
	to      []pair
	pace    time.Duration
	stop    <-chan struct{}
	r       *rand.Rand

	ids   uint16
	seen  map[uint16]answered
	peer  *net.UDPAddr
	owing *parcel // written and not answered
}

// answered is what a request was answered with.
type answered struct {
	at     time.Time
	answer []byte
}

func (e *coapEndpoint) run(ctx context.Context) error {
	e.ids, e.seen = uint16(e.r.Uint32()), make(map[uint16]answered)
	var err error
	if e.peer, err = net.ResolveUDPAddr("udp", e.gateway); err != nil {
		return err
	}
	if e.asleep {
		select {
		case <-e.calm:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		if err := e.life(ctx); err != nil {
			return err
		}
		pause := dialPause
		if e.away > 0 {
			pause += time.Duration(e.r.Int64N(int64(e.away)))
		}
		select {
		case <-ctx.Done():
		case <-e.calm:
		case <-time.After(pause):
		}
	}
	return nil
}

// life is one time of being there.
func (e *coapEndpoint) life(ctx context.Context) error {
	at, err := net.ResolveUDPAddr("udp", e.own)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	if e.there > 0 {
		select {
		case <-e.calm:
		default:
			ctx, cancel = context.WithTimeout(ctx, time.Duration(e.r.Int64N(int64(e.there))))
		}
	}
	defer cancel()
	answers, gone := make(chan coapMessage), make(chan struct{})
	go func() { // ends when the socket is closed, for which life waits
		defer close(gone)
		e.listen(ctx, conn, answers)
	}()
	e.send(ctx, conn, answers)
	<-ctx.Done()
	e.l.ended(e.self)
	_ = conn.Close() // a datagram socket
	<-gone
	return nil
}

// listen takes requests and passes on what answers ours.
func (e *coapEndpoint) listen(ctx context.Context, conn *net.UDPConn, answers chan<- coapMessage) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		m, err := parseCoAP(buf[:n])
		switch {
		case err != nil:
			e.l.complain(err.Error())
		case m.code == coapPOST:
			e.take(conn, from, m)
		default:
			if m.kind == 0 && m.code != 0 { // a separate response
				_, _ = conn.WriteToUDP(coapEmpty(coapACK, m.id), from) // as if lost
			}
			select {
			case answers <- m:
			case <-ctx.Done():
			}
		}
	}
}

func (e *coapEndpoint) take(conn *net.UDPConn, from *net.UDPAddr, m coapMessage) {
	if before, ok := e.seen[m.id]; ok && time.Since(before.at) < coapRemembers {
		if answer, err := parseCoAP(before.answer); err == nil && string(answer.token) != string(m.token) {
			e.l.note(fmt.Sprintf("%s: Message ID %d came again after %v in another request, which was not taken",
				e.self, m.id, time.Since(before.at)))
		}
		_, _ = conn.WriteToUDP(before.answer, from) // as if lost
		return
	}
	acknowledged := e.l.arrived(m.payload)
	if e.slow > 0 {
		select {
		case <-e.calm:
		case <-time.After(e.slow):
		}
	}
	answer := coapEmpty(coapACK|byte(len(m.token)), m.id)
	answer[1] = coapChanged
	answer = append(answer, m.token...)
	e.seen[m.id] = answered{time.Now(), answer}
	if _, err := conn.WriteToUDP(answer, from); err == nil && acknowledged != nil {
		acknowledged()
	}
}

// send writes Records until ctx ends.
func (e *coapEndpoint) send(ctx context.Context, conn *net.UDPConn, answers <-chan coapMessage) {
	for ctx.Err() == nil {
		if e.owing == nil {
			if p, ok := e.choose(); ok {
				e.owing = &parcel{pair: p, n: e.l.next(p)}
			}
		}
		if e.owing != nil {
			switch code := e.request(ctx, conn, answers); code {
			case coapChanged:
				e.l.acked(e.owing.pair, e.owing.n)
				e.owing = nil
			case 0: // no answer
			default:
				e.l.refused(e.owing.pair, e.owing.n, fmt.Sprintf("%d.%02d", code>>5, code&31))
			}
		}
		select {
		case <-ctx.Done():
		case <-answers:
		case <-time.After(e.pace):
		}
	}
}

func (e *coapEndpoint) choose() (pair, bool) {
	select {
	case <-e.stop:
		return pair{}, false
	default:
	}
	if len(e.to) == 0 {
		return pair{}, false
	}
	return e.to[e.r.IntN(len(e.to))], true
}

// request writes the Record that is owed and returns the code of the answer, 0
// if none came.
func (e *coapEndpoint) request(ctx context.Context, conn *net.UDPConn, answers <-chan coapMessage) byte {
	e.ids++
	id, token := e.ids, binary.BigEndian.AppendUint64(nil, e.r.Uint64())
	rec := e.owing.pair.record(e.owing.n)
	message := coapPost(id, token, "coap://"+e.own+"/usp", rec.Bytes())
	wait, tries, accepted := coapAckTimeout, 0, false
	for {
		if !accepted {
			e.l.sending(e.owing.pair, e.owing.n)    // a repetition too: a gateway that has been killed knows no Message IDs
			_, _ = conn.WriteToUDP(message, e.peer) // as if lost
		}
		timeout := time.After(wait)
	listening:
		for {
			select {
			case <-ctx.Done():
				return 0
			case m := <-answers:
				switch {
				case m.code != 0 && string(m.token) == string(token):
					return m.code
				case m.code == 0 && m.kind == coapRST&coapType && m.id == id:
					return 0
				case m.code == 0 && m.kind == coapACK&coapType && m.id == id:
					accepted, timeout = true, time.After(coapResponse)
				}
			case <-timeout:
				break listening
			}
		}
		if tries++; accepted || tries == coapTries {
			return 0
		}
		wait *= 2
	}
}
