// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry with the metrics of the Go runtime, the
// process and the build.
func NewRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "uspgate_build_info", Help: "Always 1; the labels tell the version.",
	}, []string{"version", "go_version"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

// Check is a part of the process that can say why it is not ready; nil: it is.
// It answers from memory and is safe for concurrent use.
type Check struct {
	Name  string
	Ready func() error
}

// Server answers the operator's probes. The process is healthy while it
// answers, and ready between SetReady(true) and SetReady(false) while every
// Check says so.
type Server struct {
	address  string
	checks   []Check
	listener net.Listener
	http     http.Server
	ready    atomic.Bool
}

// NewServer returns a Server for address, which serves the metrics of reg and
// asks checks whether the process is ready.
func NewServer(address string, reg *prometheus.Registry, checks ...Check) *Server {
	s := &Server{address: address, checks: checks}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("/debug/pprof/", local(pprof.Index))
	mux.HandleFunc("/debug/pprof/profile", local(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", local(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", local(pprof.Trace))
	s.http = http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 1 << 14}
	return s
}

// local serves h to this host only: a profile shows what is in memory, and the
// listener of metrics asks nobody who they are.
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() {
			answer(w, http.StatusForbidden, "only for this host\n")
			return
		}
		h(w, r)
	}
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		answer(w, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	var reasons strings.Builder
	for _, c := range s.checks {
		if err := c.Ready(); err != nil {
			fmt.Fprintf(&reasons, "not ready: %s: %v\n", c.Name, err)
		}
	}
	if reasons.Len() > 0 {
		answer(w, http.StatusServiceUnavailable, reasons.String())
		return
	}
	answer(w, http.StatusOK, "ready\n")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client is gone if this fails
}

// Handler is what Run serves.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// SetReady changes what /readyz says.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Listen binds the address.
func (s *Server) Listen(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	s.listener = l
	return nil
}

// Addr is the bound address after Listen.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}
