// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

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
	"golang.org/x/time/rate"

	"github.com/uspgate/uspgate/cwmp/httpauth"
)

// Server is a file server for CPE. Several in one process do not know of each
// other.
type Server struct {
	opts      Options
	log       *zap.Logger
	met       *metrics
	digest    *httpauth.Digest
	table     table
	transfers admission
	uploads   room
	downloads *rate.Limiter // nil: no bound
	requests  gate
	sockets   sync.WaitGroup // connections
	conns     atomic.Int64
	ln        net.Listener
}

// New checks o and returns a Server that is not listening yet.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if o.BaseURL != "" {
		base, _, err := checkBase(o.BaseURL)
		if err != nil {
			return nil, err
		}
		o.BaseURL = base
	}
	for _, dir := range []string{o.Root, o.UploadRoot} {
		if dir == "" {
			continue
		}
		root, err := openRoot(dir)
		if err != nil {
			return nil, err
		}
		_ = root.Close()
	}
	met, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("files: metrics: %w", err)
	}
	s := &Server{opts: o, log: o.Log.Named(o.Name), met: met, downloads: limiter(o.MaxRate)}
	s.digest = httpauth.NewDigest(httpauth.DigestOptions{Realm: o.Realm, Key: o.NonceKey, NonceTime: o.NonceTime})
	s.table.init(o.MaxJobs)
	s.transfers.init(o.MaxTransfers, o.MaxTransfersPerAddress)
	s.uploads.max = o.MaxUploadTotal
	s.requests.idle = make(chan struct{})
	return s, nil
}

// Listen binds the address, so that port 0 becomes known.
func (s *Server) Listen(ctx context.Context) error {
	ln, bind := s.opts.Listener, s.opts.Bind
	if bind == nil {
		bind = func(ctx context.Context) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Addr)
		}
	}
	if ln == nil {
		var err error
		if ln, err = bind(ctx); err != nil {
			return fmt.Errorf("files: listen: %w", err)
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

// Withdraw closes a job and cuts its transfers. It is false if there is no such
// job. Safe for concurrent use.
func (s *Server) Withdraw(token string) bool {
	j := s.table.get(tokenKey(token))
	if j == nil {
		return false
	}
	j.close(ErrWithdrawn, true)
	return true
}

// Status tells where a job stands; ok is false if there is no such job. Safe for
// concurrent use.
func (s *Server) Status(token string) (st Status, ok bool) {
	j := s.table.get(tokenKey(token))
	if j == nil {
		return Status{}, false
	}
	return j.status(), true
}

// Run serves until ctx ends, then drains: nobody can connect or begin a transfer
// any more, and those that go on may do so for Options.DrainTimeout. Then they
// are cut and all jobs are closed, with ErrShutdown. No goroutine of the Server is
// alive when Run returns. It returns nil after ctx has ended, otherwise why the
// listener failed. To be called once, after Listen.
func (s *Server) Run(ctx context.Context) error {
	if s.ln == nil {
		return errors.New("files: Run before Listen")
	}
	srv, err := s.httpServer()
	if err != nil {
		return err
	}
	inner := &listener{Listener: s.ln, srv: s}
	var ln net.Listener = inner
	if s.opts.TLS != nil {
		ln = tls.NewListener(ln, s.opts.TLS)
	}
	expiry, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	var serving, expiring sync.WaitGroup
	serving.Go(func() { failed <- srv.Serve(ln) })
	expiring.Go(func() { s.table.expire(expiry) })
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("files: serve: %w", err)
	}
	_ = inner.Close()
	serving.Wait()
	s.drain(srv) //nolint:contextcheck // begins when ctx has ended
	stop()
	expiring.Wait()
	return err
}

func (s *Server) httpServer() (*http.Server, error) {
	errLog, err := zap.NewStdLogAt(s.log, zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("files: log: %w", err)
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

// drain lets transfers end, cuts the others, closes the jobs, and waits for every
// connection.
func (s *Server) drain(srv *http.Server) {
	srv.SetKeepAlivesEnabled(false) // closes also what is idle
	s.requests.close()
	timer := time.NewTimer(s.opts.DrainTimeout)
	defer timer.Stop()
	select {
	case <-s.requests.idle:
	case <-timer.C:
	}
	for _, j := range s.table.close() {
		j.close(ErrShutdown, true)
	}
	s.transfers.stopAll(ErrShutdown) // also those of jobs that are over
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
	<-s.requests.idle
	s.sockets.Wait()
}

// limiter returns nil for no bound.
func limiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), maxPiece)
}
