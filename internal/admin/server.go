// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of Options, and the bounds of one request.
const (
	DefaultListen         = "127.0.0.1:7557"
	DefaultMaxConnections = 64

	maxHeader     = 16 << 10 // bytes, the query among them; no body is read but that of an import
	headerTimeout = 5 * time.Second
	answerTimeout = time.Minute
	idleTimeout   = time.Minute
	closeTimeout  = 5 * time.Second // for answers that are under way at the end
)

// Router is what the API asks; *routing.Router is one.
type Router interface {
	Endpoints() []routing.EndpointInfo
	Endpoint(a usp.Address) (routing.EndpointInfo, bool)
	Routes() []routing.Route
	Rules() []routing.Rule
	Aliases() []routing.Alias
	Explanations(from usp.EndpointID, to usp.Address) []routing.Explanation
	Queues() []routing.QueueInfo
	ShowQueue(ctx context.Context, lane buffer.Lane, limit int) ([]buffer.Item, error)
	PurgeQueue(ctx context.Context, lane buffer.Lane) (int, error)
	Drops() []buffer.Drop
}

// Options configure a Server.
type Options struct {
	// Listen is host:port; "": 127.0.0.1:7557. On a loopback address a request
	// must be for this host by name, which a page in a browser that has been led
	// here by DNS is not.
	Listen string
	// TokenFile holds the token that every request must bear. It is made, with
	// its directory, if it is not there. Required.
	TokenFile string
	// Router is what is shown. Required.
	Router Router
	// Devices are the CPE. Required.
	Devices Devices
	// Nodes lists the processes that are one gateway with this one; nil: it is
	// alone.
	Nodes func() []Node
	// Version of the program.
	Version string
	// MaxConnections bounds connections at the same time; 0: 64. One too many
	// is closed at once.
	MaxConnections int
	// Log gets one line per token made and, once a second at most, per request
	// that was refused for its token; nil: none.
	Log *zap.Logger
}

// Server serves the API. Several live in one process without touching.
type Server struct {
	o        Options
	routes   map[string]route
	token    token
	local    bool // the listener is on loopback
	listener net.Listener
	http     http.Server
	refusals limiter
}

// route is what answers at one path.
type route struct {
	method string
	handle http.HandlerFunc
}

// New makes a Server; it opens and reads nothing yet.
func New(o Options) (*Server, error) {
	if o.TokenFile == "" || o.Router == nil || o.Devices == nil {
		return nil, errors.New("admin: a token file, a router and the devices are needed")
	}
	if o.MaxConnections < 0 {
		return nil, errors.New("admin: the limit of connections is negative")
	}
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("admin")
	s := &Server{o: o}
	s.routes = map[string]route{
		"/api/v1/version":        {http.MethodGet, s.version},
		"/api/v1/openapi.json":   {http.MethodGet, s.openAPI},
		"/api/v1/endpoints":      {http.MethodGet, s.endpoints},
		"/api/v1/routes":         {http.MethodGet, s.listRoutes},
		"/api/v1/routes/explain": {http.MethodGet, s.explain},
		"/api/v1/queues":         {http.MethodGet, s.queues},
		"/api/v1/queues/items":   {http.MethodGet, s.items},
		"/api/v1/queues/drops":   {http.MethodGet, s.drops},
		"/api/v1/queues/purge":   {http.MethodPost, s.purge},
		"/api/v1/nodes":          {http.MethodGet, s.nodes},
	}
	maps.Copy(s.routes, s.deviceRoutes())
	s.http = http.Server{
		Handler: http.HandlerFunc(s.serve), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout,
		ReadTimeout: headerTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
	}
	return s, nil
}

// Listen reads or makes the token and binds the address.
func (s *Server) Listen(ctx context.Context) error {
	var err error
	if s.token, err = openToken(s.o.TokenFile, s.o.Log); err != nil {
		return err
	}
	s.listener, err = listen.Listen(ctx, listen.Options{
		Address: s.o.Listen, MaxConnections: s.o.MaxConnections, Log: s.o.Log,
	})
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	at, err := netip.ParseAddrPort(s.Addr())
	s.local = err == nil && at.Addr().Unmap().IsLoopback()
	return nil
}

// Addr is the bound address after Listen.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, and then what is under way for at most 5 s more.
func (s *Server) Run(ctx context.Context) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if s.http.Shutdown(bounded) != nil {
			_ = s.http.Close() // nobody waits for these answers any more
		}
	})
	err := s.http.Serve(s.listener)
	if stop() {
		_ = s.http.Close()
		return fmt.Errorf("admin: %w", err)
	}
	<-done
	return nil
}
