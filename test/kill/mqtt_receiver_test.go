// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// habit is how a receiver behaves until its gateway is to be drained.
type habit struct {
	asleep      bool          // not there at all
	there, away time.Duration // longest times, drawn anew each time; 0: always there
	slow        time.Duration // before each acknowledgement
	calm        <-chan struct{}
}

// mqttReceiver is an Endpoint that takes Records with QoS 1.
type mqttReceiver struct {
	habit

	l     *ledger
	addr  string
	self  usp.EndpointID
	v5    bool
	topic string
	r     *rand.Rand
}

func (m *mqttReceiver) run(ctx context.Context) error {
	if m.asleep {
		select {
		case <-m.calm:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		if c, err := dialMQTT(ctx, m.addr, m.v5, m.self, m.topic); err == nil {
			m.serve(ctx, c)
		}
		pause := dialPause
		if m.away > 0 && !m.isCalm() {
			pause += time.Duration(m.r.Int64N(int64(m.away)))
		}
		select {
		case <-ctx.Done():
		case <-m.calm:
			<-time.After(dialPause)
		case <-time.After(pause):
		}
	}
	return nil
}

func (m *mqttReceiver) isCalm() bool {
	select {
	case <-m.calm:
		return true
	default:
		return false
	}
}

// serve takes Records until the connection ends, by itself or by the habit.
func (m *mqttReceiver) serve(ctx context.Context, c *mqttConn) {
	done, closed := make(chan struct{}), make(chan struct{})
	defer func() {
		close(done)
		<-closed
	}()
	go func() { // ends with serve, which waits
		defer close(closed)
		defer c.Close()
		var leave <-chan time.Time
		if m.there > 0 && !m.isCalm() {
			leave = time.After(time.Duration(m.r.Int64N(int64(m.there))))
		}
		select {
		case <-done:
			return
		case <-ctx.Done():
		case <-leave:
		}
		m.l.ended(m.self)
	}()
	for {
		kind, body, err := c.read()
		if err != nil {
			return
		}
		if kind&0xf0 != mqttPublish {
			continue
		}
		id, rec, err := c.record(kind, body)
		if err != nil {
			m.l.complain(err.Error())
			return
		}
		acknowledged := m.l.arrived(rec)
		if m.slow > 0 && !m.isCalm() {
			<-time.After(m.slow)
		}
		if c.write(mqttPuback, []byte{byte(id >> 8), byte(id)}) != nil {
			return
		}
		if acknowledged != nil {
			acknowledged()
		}
	}
}
