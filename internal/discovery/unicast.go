// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"
)

// exchangeTimeout bounds one question to a resolver.
const exchangeTimeout = 5 * time.Second

// unicast looks a domain up at the resolver again and again [R-DIS.6].
func (b *browser) unicast(ctx context.Context) {
	b.cache.minTTL = b.opts.Every * 3 / 2 // so that nothing is lost between two rounds
	for {
		if err := b.round(ctx); err != nil && ctx.Err() == nil {
			b.opts.Log.Warn("a domain could not be looked up",
				zap.String("domain", b.opts.Domain), zap.String("resolver", b.opts.Resolver), zap.Error(err))
		}
		for wait := b.opts.Every; wait > 0; { // what expires in between is reported
			d := max(min(wait, time.Until(b.cache.wake(time.Now()))), time.Second)
			if !pause(ctx, d) {
				return
			}
			wait -= d
			b.cache.review(time.Now())
		}
	}
}

// round asks for the instances of each service and for PTR, SRV, TXT and
// addresses of each [R-DIS.7].
func (b *browser) round(ctx context.Context) error {
	for _, t := range b.opts.Services {
		found, err := b.exchange(ctx, t.in(b.opts.Domain), dns.TypePTR)
		if err != nil {
			return err
		}
		if err := b.resolve(ctx, t, found); err != nil {
			return err
		}
	}
	return nil
}

// resolve learns where the instances of one service are.
func (b *browser) resolve(ctx context.Context, t ServiceType, found []dns.RR) error {
	for _, rr := range found[:min(len(found), maxRecords)] {
		ptr, ok := rr.(*dns.PTR)
		if !ok {
			continue
		}
		if _, err := t.endpointOf(ptr.Ptr, b.opts.Domain); err != nil {
			continue
		}
		for _, kind := range []uint16{dns.TypeSRV, dns.TypeTXT} {
			more, err := b.exchange(ctx, ptr.Ptr, kind)
			if err != nil {
				return err
			}
			addrs, err := b.targets(ctx, more)
			if err != nil {
				return err
			}
			b.cache.learn(append(append([]dns.RR{ptr}, more...), addrs...), time.Now())
		}
	}
	return nil
}

// targets returns the addresses of the hosts in SRV records.
func (b *browser) targets(ctx context.Context, records []dns.RR) ([]dns.RR, error) {
	var addrs []dns.RR
	for _, rr := range records {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			more, err := b.exchange(ctx, srv.Target, kind)
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, more...)
		}
		return addrs, nil // the first one is that which the cache takes
	}
	return nil, nil
}

// exchange asks the resolver, again over TCP if the answer does not fit into a
// packet. A name that does not exist has no records.
func (b *browser) exchange(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(1232, false)
	client := &dns.Client{Net: "udp", Timeout: exchangeTimeout}
	answer, _, err := client.ExchangeContext(ctx, q, b.opts.Resolver)
	if err == nil && answer.Truncated {
		client.Net = "tcp"
		answer, _, err = client.ExchangeContext(ctx, q, b.opts.Resolver)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("discovery: look %s up: %w", name, err)
	case answer.Rcode == dns.RcodeNameError:
		return nil, nil
	case answer.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("discovery: look %s up: %s", name, dns.RcodeToString[answer.Rcode])
	}
	return answer.Answer[:min(len(answer.Answer), maxRecords)], nil
}
