// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// mqttSender is a Controller that sends numbered Records with QoS 1. What has no
// PUBACK when a connection ends is written again on the next one, in order and
// before anything new: in MQTT 5 as new messages, since the server keeps no
// session, in 3.1.1 with DUP, as the usual libraries do.
//
// What is refused (0x10, 0x80 and above) is written again once nothing else is
// under way to the same Endpoint, and only then what comes after it.
type mqttSender struct {
	l    *ledger
	addr string
	self usp.EndpointID
	v5   bool
	to   []pair
	pace time.Duration   // between new Records
	stop <-chan struct{} // closed: nothing new
	r    *rand.Rand
	// full: the gateway is not killed; that it ends the connection is how it
	// refuses what is under way in 3.1.1.
	full bool

	id      uint16
	pending []*parcel
	now     pair // whose Records are written, for a while: they come in bursts
}

// parcel is a Record under way.
type parcel struct {
	pair pair
	n    int
	id   uint16
	back bool // refused, to be written again
}

const (
	sendWindow   = 32
	refusedPause = 250 * time.Millisecond
	dialPause    = 20 * time.Millisecond
)

func (s *mqttSender) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if c, err := dialMQTT(ctx, s.addr, s.v5, s.self, ""); err == nil {
			s.serve(ctx, c)
		}
		pause := dialPause
		if s.full {
			pause = refusedPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// serve sends until the connection ends.
func (s *mqttSender) serve(ctx context.Context, c *mqttConn) {
	acks, gone := make(chan [2]int, sendWindow), make(chan struct{})
	go func() { // ends with the connection, which serve closes and waits for
		defer close(gone)
		for {
			kind, body, err := c.read()
			if err != nil {
				return
			}
			if kind == mqttPuback && len(body) >= 2 {
				id, reason := puback(body)
				acks <- [2]int{int(id), int(reason)}
			}
		}
	}()
	defer func() {
		_ = c.Close() // or the server has
		for alive := true; alive; {
			select {
			case a := <-acks:
				s.answered(uint16(a[0]), byte(a[1]))
			case <-gone:
				alive = false
			}
		}
		for len(acks) > 0 {
			a := <-acks
			s.answered(uint16(a[0]), byte(a[1]))
		}
		for _, p := range s.pending {
			if s.full && !s.v5 && ctx.Err() == nil && !p.back {
				s.l.refused(p.pair, p.n, "closed")
			}
		}
	}()
	for _, p := range s.pending {
		if s.write(c, p, !s.v5) != nil {
			return
		}
	}
	pace, retry := time.NewTicker(s.pace), time.NewTicker(refusedPause)
	defer pace.Stop()
	defer retry.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-gone:
			return
		case a := <-acks:
			s.answered(uint16(a[0]), byte(a[1]))
		case <-retry.C:
			err = s.repeat(c)
		case <-pace.C:
			err = s.fresh(c)
		}
		if err != nil {
			return
		}
	}
}

func (s *mqttSender) write(c *mqttConn, p *parcel, again bool) error {
	if !again || p.id == 0 {
		for s.id++; s.id == 0 || slices.ContainsFunc(s.pending, func(q *parcel) bool { return q != p && q.id == s.id }); {
			s.id++
		}
		p.id = s.id
	}
	p.back = false
	s.l.sending(p.pair, p.n)
	rec := p.pair.record(p.n)
	return c.publish("usp/v1/agent/"+string(p.pair.to), p.id, again, rec.Bytes())
}

// fresh writes one new Record if there is one to write.
func (s *mqttSender) fresh(c *mqttConn) error {
	select {
	case <-s.stop:
		return nil
	default:
	}
	if len(s.pending) >= sendWindow {
		return nil
	}
	if s.now.to == "" || s.r.IntN(8) == 0 {
		s.now = s.to[s.r.IntN(len(s.to))]
	}
	if slices.ContainsFunc(s.pending, func(p *parcel) bool { return p.back && p.pair == s.now }) {
		s.now = pair{}
		return nil
	}
	p := &parcel{pair: s.now, n: s.l.next(s.now)}
	s.pending = append(s.pending, p)
	return s.write(c, p, false)
}

// repeat writes what was refused.
func (s *mqttSender) repeat(c *mqttConn) error {
	for _, to := range s.to {
		out, back := 0, 0
		for _, p := range s.pending {
			if p.pair == to {
				out++
				if p.back {
					back++
				}
			}
		}
		if back == 0 || back < out {
			continue
		}
		for _, p := range s.pending {
			if p.pair == to {
				if err := s.write(c, p, false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *mqttSender) answered(id uint16, reason byte) {
	i := slices.IndexFunc(s.pending, func(p *parcel) bool { return p.id == id && !p.back })
	if i < 0 {
		return
	}
	p := s.pending[i]
	if reason != 0 {
		s.l.refused(p.pair, p.n, fmt.Sprintf("%#x", reason))
		p.back = true
		return
	}
	s.l.acked(p.pair, p.n)
	s.pending = slices.Delete(s.pending, i, i+1)
}
