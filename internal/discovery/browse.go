// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"
)

// Browse looks for Endpoints and reports them until ctx ends; it returns nil
// then. An error is that of the options, or of a socket that fails for good; a
// resolver that does not answer is tried again. At return no goroutine of it is
// alive and the sockets are closed.
func Browse(ctx context.Context, o BrowseOptions) error {
	if err := o.setDefaults(); err != nil {
		return err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return err
	}
	b := &browser{opts: o, metrics: m, cache: newCache(&o)}
	if o.Domain != Local {
		b.unicast(ctx)
		return nil
	}
	b.conns = o.Conns
	if b.conns == nil {
		if b.conns, err = open(o.Interfaces); err != nil {
			return err
		}
	}
	return b.multicast(ctx)
}

// browser is one Browse; one goroutine runs it.
type browser struct {
	opts    BrowseOptions
	metrics *metrics
	conns   []PacketConn
	cache   *cache

	next     time.Time // to ask for the services
	interval time.Duration
}

// multicast browses the domain local.
func (b *browser) multicast(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	packets := make(chan packet, maxWaiting)
	failures := make([]error, len(b.conns))
	var reading sync.WaitGroup
	for i, conn := range b.conns {
		reading.Go(func() {
			defer cancel()
			failures[i] = receive(ctx, conn, b.metrics, packets)
		})
	}
	b.run(ctx, packets)
	for _, conn := range b.conns {
		if err := conn.Close(); err != nil {
			b.opts.Log.Warn("closing a socket failed", zap.Error(err))
		}
	}
	reading.Wait()
	return errors.Join(failures...)
}

// run decides until ctx ends.
func (b *browser) run(ctx context.Context, packets <-chan packet) {
	b.next = time.Now().Add(random(20*time.Millisecond, 120*time.Millisecond)) // [RFC 6762 5.2]
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		at := b.cache.wake(time.Now())
		if b.next.Before(at) {
			at = b.next
		}
		timer.Reset(time.Until(at))
		select {
		case <-ctx.Done():
			return
		case p := <-packets:
			b.take(p)
		case <-timer.C:
			b.tick(time.Now())
		}
	}
}

// take learns from an answer; one that comes from another port is none
// [RFC 6762 6].
func (b *browser) take(p packet) {
	if !p.msg.Response || p.from.Port() != mdnsPort {
		return
	}
	b.cache.learn(append(p.msg.Answer, p.msg.Extra...), time.Now())
}

// tick asks what is to be asked.
func (b *browser) tick(now time.Time) {
	b.cache.review(now)
	var ask []dns.Question
	var known []dns.RR
	if !now.Before(b.next) {
		b.interval = min(max(2*b.interval, time.Second), b.opts.MaxInterval)
		b.next = now.Add(b.interval)
		for _, t := range b.opts.Services {
			ask = append(ask, question(t.in(Local), dns.TypePTR))
		}
		known = b.cache.known(now)
	}
	for _, e := range b.cache.entries {
		due := b.cache.due(e, now)
		if len(due) > 0 && e.complete(now) {
			due = append(due, question(e.t.in(Local), dns.TypePTR))
		}
		ask = append(ask, due...)
	}
	for _, msg := range queries(ask, known) {
		for _, conn := range b.conns {
			if err := transmit(conn, b.metrics, msg, netip.AddrPort{}); err != nil {
				b.opts.Log.Debug("a question was not sent", zap.Error(err)) // it is counted, and asked again
			}
		}
	}
}

// known are the answers that need not be given again [RFC 6762 7.1].
func (c *cache) known(now time.Time) []dns.RR {
	var known []dns.RR
	for _, e := range c.entries {
		if left := e.ptr.until().Sub(now); left > e.ptr.ttl/2 {
			known = append(known, &dns.PTR{
				Hdr: header(e.t.in(Local), dns.TypePTR, left, false), Ptr: e.name,
			})
		}
	}
	return known
}

// queries distributes questions, each asked once, over as many messages as it
// takes, and puts the known answers behind the first ones [RFC 6762 7.2].
func queries(ask []dns.Question, known []dns.RR) []*dns.Msg {
	var msgs []*dns.Msg
	seen := make(map[dns.Question]bool, len(ask))
	msg, size := new(dns.Msg), 0
	for _, q := range ask {
		if seen[q] {
			continue
		}
		seen[q] = true
		n := len(q.Name) + 6
		if size+n > maxSend || len(msg.Question) >= maxQuestions {
			msgs = append(msgs, msg)
			msg, size = new(dns.Msg), 0
		}
		msg.Question = append(msg.Question, q)
		size += n
	}
	if len(msg.Question) == 0 {
		return msgs
	}
	for _, rr := range known {
		n := dns.Len(rr)
		if size+n > maxSend {
			msg.Truncated = true
			msgs = append(msgs, msg)
			msg, size = new(dns.Msg), 0
		}
		msg.Answer = append(msg.Answer, rr)
		size += n
	}
	return append(msgs, msg)
}
