// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
)

// Server is the server role: an mtp.Transport whose Links are the connections
// that it accepts [R-WS.6].
type Server struct {
	opts     ServerOptions
	metrics  *mtp.KindMetrics
	upgrader websocket.Upgrader
	buffers  Buffers
	keeper   keeper
	listener net.Listener // after Listen
	handler  mtp.Handler

	mu       sync.Mutex
	draining bool
	links    sync.WaitGroup // handshakes and Links
	conns    sync.WaitGroup // connections that net/http serves
}

// NewServer checks o and allocates; Listen binds, Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.WebSocket)
	if err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	s := &Server{opts: o, metrics: metrics}
	s.upgrader = newUpgrader(o.CheckOrigin, o.HandshakeTimeout)
	return s, nil
}

// newUpgrader tunes the library for many idle connections: a small read buffer,
// and no write buffer of its own.
func newUpgrader(origin func(*http.Request) bool, timeout time.Duration) websocket.Upgrader {
	if origin == nil {
		origin = func(*http.Request) bool { return true }
	}
	return websocket.Upgrader{
		HandshakeTimeout: timeout, ReadBufferSize: readBufferSize,
		WriteBufferSize: writeBufferSize, WriteBufferPool: &sync.Pool{},
		CheckOrigin: origin,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			w.Header().Set("Sec-Websocket-Version", "13")
			http.Error(w, reason.Error(), status)
		},
	}
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(ctx context.Context) error {
	ln, err := listen.Listen(ctx, listen.Options{
		Address: s.opts.Listen, ProxyFrom: s.opts.ProxyFrom, HeaderTimeout: s.opts.HandshakeTimeout,
		MaxConnections: s.opts.MaxConnections, MaxConnectionsPerAddress: s.opts.MaxConnectionsPerAddress,
		Metrics: s.metrics, Log: s.opts.Log,
	})
	if err != nil {
		return fmt.Errorf("ws: %w", err)
	}
	s.listener = ln
	return nil
}

// Addr implements mtp.Transport.
func (s *Server) Addr() string {
	if s.listener == nil {
		return s.opts.Listen
	}
	return s.listener.Addr().String()
}

// Run implements mtp.Transport. It calls Listen if nobody has. When ctx ends it
// accepts nothing more and closes every Link with mtp.ErrDraining, which takes
// at most twice CloseTimeout.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if s.listener == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	s.handler = h
	srv := &http.Server{
		Handler: http.HandlerFunc(s.serveHTTP), TLSConfig: s.opts.TLS,
		ReadHeaderTimeout: s.opts.HandshakeTimeout, ReadTimeout: s.opts.HandshakeTimeout,
		WriteTimeout: s.opts.HandshakeTimeout, IdleTimeout: s.opts.HandshakeTimeout,
		MaxHeaderBytes: DefaultMaxHeader, ConnState: s.connState,
		ErrorLog: zap.NewStdLog(s.opts.Log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	var serving, visiting sync.WaitGroup
	serving.Go(func() { served <- s.serve(srv) })
	visiting.Go(func() { s.keeper.run(keeping, interval(s.opts.KeepAlive)) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	s.refuseMore(srv)
	serving.Wait()
	s.refuseMore(srv) // what was accepted in between
	s.drain()
	stopKeeping()
	visiting.Wait()
	return err
}

// serve accepts until the listener is closed.
func (s *Server) serve(srv *http.Server) error {
	ln := s.listener
	if s.opts.TLS != nil {
		ln = tls.NewListener(ln, s.opts.TLS)
	}
	if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ws: serve: %w", err)
	}
	return nil
}

// refuseMore closes the listener and all unfinished handshakes.
func (s *Server) refuseMore(srv *http.Server) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	if err := srv.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.opts.Log.Warn("closing the listener failed", zap.Error(err))
	}
}

// drain ends every Link.
func (s *Server) drain() {
	s.keeper.all(func(l *link) { l.Close(mtp.ErrDraining) })
	s.links.Wait()
	s.conns.Wait()
}

// connState counts what net/http serves; a hijacked connection is ours.
func (s *Server) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	case http.StateActive, http.StateIdle:
	}
}

// enter counts a handshake, or its Link if l is not nil, which is then in the
// keeper, unless draining has begun. links.Done follows.
func (s *Server) enter(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.links.Add(1)
	if l != nil {
		s.keeper.add(l)
	}
	return true
}

// serveHTTP is the handshake; the Link lives on in a goroutine of its own,
// whose small stack is all that remains of the request.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter(nil) {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.links.Done()
	peer, answer, ref := s.admit(r)
	if ref != nil {
		s.refuse(w, r, ref)
		return
	}
	hijacker := &hijackWriter{ResponseWriter: w, buffers: &s.buffers}
	if _, err := s.upgrader.Upgrade(hijacker, r, answer); err != nil {
		s.metrics.Rejected(mtp.RejectHandshake)
		s.opts.Log.Debug("handshake failed", zap.String("remote", r.RemoteAddr), zap.Error(err))
		return
	}
	peer.Loopback = listen.Loopback(hijacker.wire.Conn)
	l := newLink(hijacker.wire, &s.opts.LinkOptions, s.metrics, peer.Endpoint)
	if !s.enter(l) {
		l.wire.kill()
		return
	}
	if err := l.introduce(s.handler, peer); err != nil {
		s.leave(l, "link refused", err)
		return
	}
	l.logger().Info("link up")
	go s.own(l)
}

// own is the goroutine of one Link; drain waits for it. One that has rested goes
// on as a new goroutine, because a stack that has grown does not become as small
// as that of a new one.
func (s *Server) own(l *link) {
	if l.live() {
		go s.own(l)
		return
	}
	s.leave(l, "link down", l.ending.Cause())
}

// leave is the end of what enter began for a Link.
func (s *Server) leave(l *link, event string, cause error) {
	defer s.links.Done()
	s.keeper.remove(l)
	l.logger().Info(event, zap.Error(cause))
}

// refuse answers a handshake with an HTTP status.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, ref *refusal) {
	s.metrics.Rejected(ref.reason)
	level := zap.DebugLevel
	if ref.reason == mtp.RejectAuth || ref.reason == mtp.RejectIdentity {
		level = zap.WarnLevel // somebody to look at
	}
	s.opts.Log.Log(level, "handshake refused", zap.String("remote", r.RemoteAddr), zap.String("reason", ref.text))
	switch ref.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="usp", charset="UTF-8"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, ref.text, ref.status)
}

// hijackWriter has the library work on a wire.
type hijackWriter struct {
	http.ResponseWriter
	buffers *Buffers
	wire    *wire
}

// Hijack implements http.Hijacker.
func (w *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("ws: hijack: %w", err)
	}
	w.wire = &wire{Conn: conn, buffers: w.buffers}
	return w.wire, rw, nil
}

// interval of the keeper, which also looks for stalled peers.
func interval(keepAlive time.Duration) time.Duration {
	if keepAlive < 0 {
		return DefaultKeepAlive
	}
	return keepAlive
}
