// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// buildTransports makes the configured USP bindings.
func (a *App) buildTransports(o Options, reg *prometheus.Registry) error {
	for i := range o.Config.MTP {
		m := &o.Config.MTP[i]
		role, err := usp.ParseRole(m.Role)
		if err == nil {
			b := &binding{MTP: m, app: a, o: o, reg: reg, role: role}
			err = b.build()
		}
		if err != nil {
			return fmt.Errorf("mtp %s: %w", m.Name, err)
		}
	}
	return nil
}

// binding is one entry of mtp on its way to a Transport.
type binding struct {
	*config.MTP

	app  *App
	o    Options
	reg  *prometheus.Registry
	role usp.Role // of the peers
}

// maxHold is the key hold, of which 0 means not at all.
func (b *binding) maxHold() time.Duration {
	if b.Hold == 0 {
		return -1
	}
	return time.Duration(b.Hold)
}

// as is in whose name, and with what certificate, a client role connects.
type as struct {
	id  usp.EndpointID // of the one Agent that the connection is for, or empty
	tls *tls.Config
	// hold, if set, is called before each attempt.
	hold mtp.HoldFunc
	// buffers are shared by all connections of a fleet.
	buffers *ws.Buffers
}

// build makes the Transport and has it shown what it represents.
func (b *binding) build() error {
	t, err := b.transport()
	if err != nil {
		return err
	}
	if b.Client() && b.Type != "uds" { // whose other side is on this host
		t = b.app.exclusive(t)
	}
	b.app.transports = append(b.app.transports, t)
	if r, ok := t.(mtp.Representer); ok && b.Client() {
		b.app.showings = append(b.app.showings, newShowing(b.MTP, b.role, r))
	}
	return nil
}

func (b *binding) transport() (mtp.Transport, error) {
	if !b.Client() {
		return b.server()
	}
	if b.Link == "per_agent" {
		return b.fleet()
	}
	conf, err := b.app.clientTLS(b.o, b.reg, b.MTP)
	if err != nil {
		return nil, err
	}
	return b.client(as{tls: conf})
}

func (b *binding) server() (mtp.Transport, error) {
	conf, err := b.app.serverTLS(b.o, b.reg, b.Name, &b.TLS)
	if err != nil {
		return nil, err
	}
	switch b.Type {
	case "websocket":
		return b.webSocketServer(conf)
	case "mqtt":
		return b.mqttServer(conf)
	case "stomp":
		return b.stompServer(conf)
	case "coap":
		return b.coapServer(conf)
	case "uds":
		return b.udsServer(conf)
	default:
		return nil, fmt.Errorf("unknown type %q", b.Type)
	}
}

func (b *binding) client(who as) (mtp.Transport, error) {
	switch b.Type {
	case "websocket":
		return b.webSocketClient(who)
	case "mqtt":
		return b.mqttClient(who)
	case "stomp":
		return b.stompClient(who)
	case "coap":
		return b.coapClient(who)
	case "uds":
		return b.udsClient(who)
	default:
		return nil, fmt.Errorf("unknown type %q", b.Type)
	}
}

// fleet is one connection for each Agent. While the Controller has one of its
// own for an Agent, dialling for that one rests [R-WS.4].
func (b *binding) fleet() (mtp.Transport, error) {
	credentials, err := b.app.credentials(b.o, b.reg, b.MTP)
	if err != nil {
		return nil, err
	}
	buffers := new(ws.Buffers)
	return mtp.NewFleet(mtp.FleetOptions{
		Name: b.Name,
		Addr: b.Connect,
		Rate: float64(b.DialRate),
		New: func(m mtp.FleetMember) (mtp.Transport, error) {
			who := as{id: m.Address.ID, hold: b.hold(m), buffers: buffers}
			if credentials != nil {
				conf, err := credentials.ClientFor(who.id)
				if err != nil {
					return nil, err
				}
				who.tls = conf
			}
			return b.client(who)
		},
		Log:     b.o.Log,
		Metrics: b.reg,
	})
}

// heldPoll is how often a member of a fleet looks whether the Controller still
// has a connection of its own.
const heldPoll = 5 * time.Second

// hold waits while the Controller has a connection of its own for the Agent, and
// then for the turn of the member [R-WS.4].
func (b *binding) hold(m mtp.FleetMember) mtp.HoldFunc {
	controller := usp.EndpointID(b.Peer)
	return func(ctx context.Context) error {
		for controller != "" && b.app.router.Meets(m.Address.ID, controller, b.Name) {
			timer := time.NewTimer(heldPoll)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		return m.Hold(ctx)
	}
}

// own is the Endpoint ID that a client role shows.
func (b *binding) own(who as) usp.EndpointID {
	if who.id != "" {
		return who.id
	}
	return usp.EndpointID(b.EndpointID)
}

func (b *binding) retry() mtp.BackoffOptions {
	return mtp.BackoffOptions{
		Interval: time.Duration(b.Retry.Interval), Multiplier: b.Retry.Multiplier, Max: time.Duration(b.Retry.Max),
	}
}

// networks parses what the configuration has checked.
func networks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var problems []error
	for _, n := range list {
		p, err := netip.ParsePrefix(n)
		problems = append(problems, err)
		out = append(out, p)
	}
	return out, errors.Join(problems...)
}
