// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
)

// controlID is the packet identifier of every SUBSCRIBE and UNSUBSCRIBE, of
// which there is one at a time; no PUBLISH has it.
const controlID = maxIDs

// errUnsubscribed ends a connection on which nothing could be subscribed to
// [R-MQTT.17].
var errUnsubscribed = errors.New("mqtt: every subscription is denied")

// subscribing tells the broker what to send us: what is subscribed to in any
// case, then whoever is represented, in the order of their coming.
func (l *clientLink) subscribing(ctx context.Context, up func()) {
	if err := l.subscribeAll(ctx, up); err != nil {
		if errors.Is(err, errUnsubscribed) {
			l.conn.try(disconnect(l.v5, 0))
		}
		l.flow.fail(err)
	}
}

func (l *clientLink) subscribeAll(ctx context.Context, up func()) error {
	for rest := l.filters; len(rest) > 0; {
		n := min(len(rest), l.client.opts.MaxFilters)
		if err := l.ask(ctx, packets.Subscribe, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if len(l.filters) > 0 && !l.subscribed {
		return errUnsubscribed
	}
	l.opened(up)
	for {
		if err := l.represent(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		l.opened(up)
		select {
		case <-l.client.represented.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// opened lets Records go once anything is subscribed to.
func (l *clientLink) opened(up func()) {
	if !l.subscribed && (len(l.filters) > 0 || l.answered > 0) {
		return
	}
	if !l.announced {
		l.announced = true
		up()
		if l.client.opts.Announce {
			l.announce(present)
		}
	}
	l.flow.setReady(l.subscribed)
}

// represent tells of everything that is queued.
func (l *clientLink) represent(ctx context.Context) error {
	r := l.client.represented
	for ctx.Err() == nil {
		list, subscribe, n := r.next(l.client.opts.MaxFilters)
		if n == 0 {
			break
		}
		if len(list) > 0 {
			kind := packets.Unsubscribe
			if subscribe {
				kind = packets.Subscribe
			}
			if err := l.ask(ctx, kind, l.filtersOf(list)); err != nil {
				return err
			}
		}
		l.answered += uint64(n)
		l.flow.openGate(l.answered)
	}
	if !l.subscribed && l.answered > 0 && r.any() {
		return errUnsubscribed
	}
	return nil
}

func (l *clientLink) filtersOf(list []usp.Address) []string {
	filters := make([]string, len(list))
	for i, a := range list {
		filters[i] = l.client.opts.filterOf(l.client.own.of(a))
	}
	return filters
}

// ask sends a SUBSCRIBE or UNSUBSCRIBE and waits for the answer.
func (l *clientLink) ask(ctx context.Context, kind byte, filters []string) error {
	pk := packets.Packet{
		ProtocolVersion: byte(l.client.opts.Version),
		FixedHeader:     packets.FixedHeader{Type: kind, Qos: 1},
		PacketID:        controlID,
	}
	for _, f := range filters {
		// What we publish does not come back by a filter that covers it, but in
		// 3.1.1, and in groups, which must not have that [MQTT-3.8.3-4].
		alone := !strings.HasPrefix(f, "$share/")
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: 1, NoLocal: alone})
	}
	if err := l.reply(&pk); err != nil {
		return fmt.Errorf("mqtt: subscribe: %w", err)
	}
	timeout := time.NewTimer(l.client.opts.ConnectTimeout)
	defer timeout.Stop()
	select {
	case reasons := <-l.answers:
		if kind == packets.Subscribe {
			l.granted(filters, reasons)
		}
		return nil
	case <-ctx.Done():
		return nil
	case <-timeout.C:
		return fmt.Errorf("mqtt: no answer to the subscription to %s", strings.Join(filters[:1], ", "))
	}
}

// granted looks at a SUBACK.
func (l *clientLink) granted(filters []string, reasons []byte) {
	denied := func(reason byte) bool { return reason >= failure }
	if slices.ContainsFunc(reasons, func(reason byte) bool { return !denied(reason) }) {
		l.subscribed = true
	}
	if i := slices.IndexFunc(reasons, denied); i >= 0 && i < len(filters) {
		l.client.opts.Log.Warn("the broker denies a subscription", zap.String("filter", filters[i]),
			zap.Uint8("reason", reasons[i]))
	}
}

// answer takes a SUBACK or UNSUBACK.
func (l *clientLink) answer(pk *packets.Packet) {
	if pk.PacketID != controlID {
		return
	}
	select {
	case l.answers <- pk.ReasonCodes:
	default: // nobody has asked
	}
}
