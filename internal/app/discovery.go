// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/discovery"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// foundName is the name of the binding of Endpoints that were found.
const foundName = "discovery"

// neighbours shows the listeners of the gateway to the local network, and
// connects with the Endpoints that it finds there.
type neighbours struct {
	o   Options
	reg *prometheus.Registry
	app *App

	fleet *mtp.Fleet  // of those found; nil without browse
	trust *pki.Source // for them

	mu    sync.Mutex
	found map[usp.Address]discovery.Endpoint
}

// buildDiscovery makes what the configuration wants of it: by default nothing.
func (a *App) buildDiscovery(o Options, reg *prometheus.Registry) error {
	d := &o.Config.Discovery
	if !d.Advertise && !d.Browse {
		return nil
	}
	n := &neighbours{o: o, reg: reg, app: a, found: make(map[usp.Address]discovery.Endpoint)}
	a.neighbours = n
	if !d.Browse {
		return nil
	}
	var err error
	if n.trust, err = a.source(o, reg, foundName, &o.Config.TLS, o.Config.TLS.ServerCA); err != nil {
		return err
	}
	n.fleet, err = mtp.NewFleet(mtp.FleetOptions{
		Name: foundName, Addr: "the local network", New: n.dial, Log: o.Log, Metrics: reg,
	})
	if err != nil {
		return err
	}
	a.transports = append(a.transports, n.fleet)
	return nil
}

// run advertises and browses until ctx ends.
func (n *neighbours) run() []func(context.Context) error {
	var out []func(context.Context) error
	d := &n.o.Config.Discovery
	if d.Advertise {
		out = append(out, n.advertise)
	}
	if d.Browse {
		out = append(out, func(ctx context.Context) error {
			return discovery.Browse(ctx, discovery.BrowseOptions{
				Services: []discovery.ServiceType{
					{Role: usp.RoleAgent, Kind: mtp.WebSocket}, {Role: usp.RoleAgent, Kind: mtp.CoAP},
				},
				Events: n.event, Interfaces: d.Interfaces, Log: n.o.Log, Metrics: n.reg,
			})
		})
	}
	return out
}

// advertise tells of every listener under the gateway's own Endpoint ID: as a
// Controller where Agents come, as an Agent where Controllers do [R-DIS.8].
func (n *neighbours) advertise(ctx context.Context) error {
	d := &n.o.Config.Discovery
	adv, err := discovery.New(discovery.Options{
		Services: n.services(), Interfaces: d.Interfaces, Log: n.o.Log, Metrics: n.reg,
	})
	if err != nil {
		return err
	}
	return adv.Run(ctx)
}

// services lists what is advertised. Unix domain sockets never are.
func (n *neighbours) services() []discovery.Service {
	var out []discovery.Service
	d := &n.o.Config.Discovery
	addresses := n.app.Addresses()
	for i := range n.o.Config.MTP {
		m := &n.o.Config.MTP[i]
		_, port, err := net.SplitHostPort(addresses[m.Name])
		if m.Client() || m.Type == "uds" || err != nil {
			continue
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			continue
		}
		for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
			if m.Role != "unknown" && m.Role == role.String() {
				continue // peers of that role come here, and look for the other
			}
			out = append(out, discovery.Service{
				EndpointID: usp.EndpointID(d.EndpointID), Role: role, Kind: mtp.Kind(m.Type), Port: uint16(number),
				Path: pathOf(m, role, d.EndpointID), Name: d.Name, Encrypt: m.TLS.Cert != "",
			})
		}
	}
	return out
}

// pathOf is where the Endpoint is on a listener, in the terms of its MTP.
func pathOf(m *config.MTP, role usp.Role, id string) string {
	t := &m.Topics
	switch m.Type {
	case "websocket", "coap":
		return m.Path
	case "stomp":
		t = &m.Destinations
	}
	template := t.Agent
	if role == usp.RoleController {
		template = t.Controller
	}
	return strings.ReplaceAll(template, "{endpoint_id}", id)
}

// event takes what the network shows. An Endpoint that the gateway itself has
// shown, or that is no URL to dial, is none.
func (n *neighbours) event(e discovery.Event) {
	a := usp.Address{ID: e.Endpoint.EndpointID, Role: e.Endpoint.Role}
	if string(a.ID) == n.o.Config.Discovery.EndpointID {
		return
	}
	n.mu.Lock()
	before, known := n.found[a]
	if e.Lost {
		delete(n.found, a)
	} else {
		n.found[a] = e.Endpoint
	}
	n.mu.Unlock()
	switch {
	case e.Lost:
		n.fleet.Withdraw(a)
	case known && before.URL != e.Endpoint.URL:
		n.fleet.Withdraw(a)
		n.fleet.Represent(a)
	case !known:
		n.o.Log.Info("found in the local network",
			zap.String("endpoint_id", string(a.ID)), zap.String("url", e.Endpoint.URL))
		n.fleet.Represent(a)
	}
}

// errLost: it is not there any more.
var errLost = errors.New("discovery: the Endpoint has left")

// dial connects with an Endpoint that was found [R-WS.5, R-COAP.2].
func (n *neighbours) dial(m mtp.FleetMember) (mtp.Transport, error) {
	n.mu.Lock()
	e, ok := n.found[m.Address]
	n.mu.Unlock()
	if !ok {
		return nil, errLost
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, err
	}
	conf := n.trust.ClientConfig(secureHost(e.URL), e.EndpointID) // used for wss and coaps
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return ws.NewClient(ws.ClientOptions{
			LinkOptions: ws.LinkOptions{Name: foundName, Log: n.o.Log, Metrics: n.reg},
			URL:         e.URL, Endpoint: usp.EndpointID(n.o.Config.Discovery.EndpointID), Carrier: true,
			Peer: e.EndpointID, Role: e.Role, TLS: conf, Hold: m.Hold,
		})
	}
	return coap.NewClient(coap.ClientOptions{
		LinkOptions: coap.LinkOptions{Name: foundName, Log: n.o.Log, Metrics: n.reg},
		URL:         e.URL, Peer: e.EndpointID, Role: e.Role, TLS: conf, Hold: m.Hold,
	})
}
