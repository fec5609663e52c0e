// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Server is the ACS side of CWMP over HTTP: it terminates the sessions of CPE.
// Every path is served [quirk 42], only by POST.
//
// Lock order: a session's mu, then the table's mu. Of two sessions a goroutine
// may hold the newer one's mu while it takes the older one's.
type Server struct {
	opts       Options
	log        *zap.Logger
	met        *metrics
	table      table
	conns      atomic.Int64
	perAddress addresses
	bufs       sync.Pool // of *[]byte: bodies and answers
	epoch      time.Time
	memory     memory
	complaints complaints
	watch      *watch
	// open admits sessions, awaited those that somebody waits for.
	open, awaited *bucket
	// draining is true from the end of Run's context on.
	draining atomic.Bool

	ln   net.Listener
	base context.Context //nolint:containedctx // parent of the sessions' contexts, which outlive the one of Run
	stop context.CancelFunc
	xml  []string // the Content-Type of every envelope
}

// keepBuffer is the largest buffer that is kept for reuse.
const keepBuffer = 64 * kib

// New checks o and returns a Server that is not listening yet.
func New(o Options) (*Server, error) {
	if o.Handler == nil {
		return nil, errors.New("acs: no Handler")
	}
	o = o.withDefaults()
	met, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("acs: metrics: %w", err)
	}
	s := &Server{opts: o, log: o.Log.Named(o.Name), met: met, epoch: time.Now()}
	// Here and not in Run: a POST may come by Exchange before.
	s.base, s.stop = context.WithCancel(context.Background())
	s.xml = []string{"text/xml; charset=\"utf-8\""}
	s.bufs.New = func() any {
		b := make([]byte, 0, 8*kib)
		return &b
	}
	s.table.init(o.MaxSessions)
	s.memory.limit = o.MaxMemory
	s.complaints.latest = make(map[string]complaint)
	s.watch = newWatch(o.MaxWatched, o.ConflictTime)
	s.open = newBucket(float64(o.SessionRate), float64(o.SessionBurst))
	s.awaited = newBucket(float64(o.SessionRate), float64(o.SessionBurst))
	return s, nil
}

// Listen binds the address, so that port 0 becomes known.
func (s *Server) Listen(ctx context.Context) error {
	ln := s.opts.Listener
	if ln == nil {
		bind := s.opts.Bind
		if bind == nil {
			bind = func(ctx context.Context) (net.Listener, error) {
				return new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Addr)
			}
		}
		var err error
		if ln, err = bind(ctx); err != nil {
			return fmt.Errorf("acs: listen: %w", err)
		}
	}
	s.ln = ln
	return nil
}

// Addr is the bound address, host:port; empty before Listen.
func (s *Server) Addr() string {
	if s.ln == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// Run serves until ctx ends, then drains: new sessions get 503 and open ones
// may go on for Options.DrainTimeout. What is left then is closed with
// ErrShutdown. No goroutine of the Server is alive when Run returns. It returns
// nil after ctx has ended, otherwise why the listener failed. To be called once,
// after Listen.
func (s *Server) Run(ctx context.Context) error {
	if s.ln == nil {
		return errors.New("acs: Run before Listen")
	}
	defer s.stop()
	srv, err := s.httpServer()
	if err != nil {
		return err
	}
	var ln net.Listener = &listener{Listener: s.ln, srv: s}
	if c := s.opts.TLS; c != nil {
		if s.opts.Legacy != nil {
			c = s.opts.Legacy.config(c)
		}
		ln = tls.NewListener(ln, c)
	}
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { failed <- srv.Serve(ln) })
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("acs: serve: %w", err)
	}
	s.drain(srv) //nolint:contextcheck // begins when ctx has ended
	wg.Wait()
	return err
}

func (s *Server) httpServer() (*http.Server, error) {
	errLog, err := zap.NewStdLogAt(s.log, zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("acs: log: %w", err)
	}
	var only1 http.Protocols
	only1.SetHTTP1(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: s.opts.ReadHeaderTimeout,
		IdleTimeout:       s.opts.IdleTimeout,
		MaxHeaderBytes:    s.opts.MaxHeaderBytes,
		ErrorLog:          errLog,
		ConnContext:       withConn,
		Protocols:         &only1,
	}, nil
}

// drainGrace takes the place of Options.VanishGrace while the Server drains: it
// is not worth waiting for a CPE that has gone.
const drainGrace = 250 * time.Millisecond

func (s *Server) vanishGrace() time.Duration {
	if s.draining.Load() {
		return min(drainGrace, s.opts.VanishGrace)
	}
	return s.opts.VanishGrace
}

// drain lets sessions end, ends the others, and waits for every goroutine.
func (s *Server) drain(srv *http.Server) {
	s.draining.Store(true)
	for _, sess := range s.table.all() {
		sess.hurry()
	}
	select {
	case <-s.table.drain():
	default:
		t := time.NewTimer(s.opts.DrainTimeout)
		select {
		case <-s.table.drain():
		case <-t.C:
		}
		t.Stop()
	}
	for _, sess := range s.table.all() {
		sess.finish(ErrShutdown)
	}
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		// Somebody is still sending a body: not for much longer.
		_ = srv.Close()
	}
	s.table.close()
	for _, sess := range s.table.all() {
		sess.finish(ErrShutdown)
		sess.timer.Stop()
	}
}

// now is the time since the Server was made, on the monotonic clock.
func (s *Server) now() int64 { return int64(time.Since(s.epoch)) }

func (s *Server) buffer() *[]byte {
	b, _ := s.bufs.Get().(*[]byte)
	return b
}

func (s *Server) release(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		s.bufs.Put(b)
	}
}
