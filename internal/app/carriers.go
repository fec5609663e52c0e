// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// buildRouter makes the router with its buffer.
func (a *App) buildRouter(o Options, reg *prometheus.Registry) error {
	r := &o.Config.Routing
	queue, err := buffer.NewMemory(buffer.MemoryOptions{
		MaxRecords: r.QueueLimit, MaxBytes: int64(r.QueueBytes), MaxAge: time.Duration(r.QueueAge), Metrics: reg,
	})
	if err != nil {
		return err
	}
	routes := make([]routing.Route, len(o.Config.Routes))
	for i, route := range o.Config.Routes {
		role, err := usp.ParseRole(route.Role)
		if err != nil {
			return err
		}
		routes[i] = routing.Route{Match: route.EndpointID, Role: role}
	}
	for _, c := range o.Config.Controllers { // Notifies wait for them from the start
		routes = append(routes, routing.Route{Match: c.EndpointID, Role: usp.RoleController})
	}
	control := newControl(o.Config.Controllers)
	a.router, err = routing.New(routing.Options{
		Buffer:        queue,
		Policy:        control.mayManage,
		Admit:         control.mayBeReached,
		Routes:        routes,
		WindowRecords: r.Window,
		WindowBytes:   int64(r.WindowBytes),
		Log:           o.Log,
		Metrics:       reg,
	})
	return err
}

// buildTransports makes the configured USP bindings.
func (a *App) buildTransports(o Options, reg *prometheus.Registry) error {
	for i := range o.Config.MTP {
		t, err := newTransport(&o.Config.MTP[i], o, reg)
		if err != nil {
			return fmt.Errorf("mtp %s: %w", o.Config.MTP[i].Name, err)
		}
		a.transports = append(a.transports, t)
	}
	return nil
}

func newTransport(c *config.MTP, o Options, reg *prometheus.Registry) (mtp.Transport, error) {
	role, err := usp.ParseRole(c.Role)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := serverTLS(&c.TLS)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case "websocket":
		return ws.NewServer(ws.ServerOptions{
			LinkOptions: ws.LinkOptions{
				Name: c.Name, KeepAlive: time.Duration(c.KeepAlive), MaxRecord: int(c.MaxRecord),
				NoConnectRecords: !c.ConnectRecords, Log: o.Log, Metrics: reg,
			},
			Listen: c.Listen, Path: c.Path, TLS: tlsConfig, Role: role,
			Auth: webSocketAuth(&c.Auth), MaxConnections: c.MaxConnections,
		})
	case "mqtt":
		return mqtt.NewServer(mqtt.ServerOptions{
			Name: c.Name, Listen: c.Listen, TLS: tlsConfig, Role: role,
			Topics:           mqtt.Topics{Agent: c.Topics.Agent, Controller: c.Topics.Controller},
			Auth:             mqttAuth(&c.Auth),
			NoConnectRecords: !c.ConnectRecords, MaxRecord: int(c.MaxRecord), MaxConnections: c.MaxConnections,
			Log: o.Log, Metrics: reg,
		})
	default:
		return nil, fmt.Errorf("unknown type %q", c.Type)
	}
}

// webSocketAuth checks Basic credentials; nil asks for none.
func webSocketAuth(c *config.Auth) ws.AuthFunc {
	if c.Mode != "password" {
		return nil
	}
	users := newUsers(c.Users)
	return func(r *http.Request) (mtp.Identity, error) {
		name, password, _ := r.BasicAuth()
		return users.identify(name, password)
	}
}

// mqttAuth checks user name and password of a CONNECT; nil asks for none.
func mqttAuth(c *config.Auth) mqtt.AuthFunc {
	if c.Mode != "password" {
		return nil
	}
	users := newUsers(c.Users)
	return func(l mqtt.Login) (mtp.Identity, error) { return users.identify(l.Username, l.Password) }
}
