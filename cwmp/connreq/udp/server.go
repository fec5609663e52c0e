// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/internal/lru"
)

const (
	// maxReadErrors is how many reads of a socket may fail in a row.
	maxReadErrors = 100
	// readBuffer is for the CPE that ask at a time, in bytes of the system's.
	readBuffer = 1 << 20
)

// Server is a STUN server that sends UDP Connection Requests. Listen is called
// once, before anything else; after that it is safe for concurrent use.
type Server struct {
	opts     Options
	log      *zap.Logger
	limiter  *limiter
	bindings *bindings
	messages *prometheus.CounterVec
	sockets  []*net.UDPConn

	mu    sync.Mutex
	stamp *lru.Map[string, uint64] // the last TS of each CPE
}

var _ connreq.Requester = (*Server)(nil)

// New returns a Server. Metrics that cannot be registered are not, and logged.
func New(o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		opts: o, log: o.Log.Named("connreq.udp"), limiter: newLimiter(&o),
		bindings: newBindings(o.MaxBindings, o.BindingTime),
		stamp:    lru.New[string, uint64](o.MaxBindings),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_stun_messages_total", Help: "Datagrams at the STUN server by result.",
		}, []string{"result"}),
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(s.messages); err != nil {
			s.log.Error("metrics not registered", zap.Error(err))
		}
	}
	return s
}

// Listen binds the sockets: all, or none and an error.
func (s *Server) Listen(ctx context.Context) error {
	for _, a := range s.opts.Addrs {
		c, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", a)
		if err != nil {
			s.close()
			return fmt.Errorf("connreq/udp: listen: %w", err)
		}
		conn := c.(*net.UDPConn)
		_ = conn.SetReadBuffer(readBuffer) // as much of it as the system allows
		s.sockets = append(s.sockets, conn)
	}
	return nil
}

// Addrs are the addresses that the sockets have.
func (s *Server) Addrs() []netip.AddrPort {
	list := make([]netip.AddrPort, len(s.sockets))
	for i, c := range s.sockets {
		list[i] = c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	return list
}

// Run answers STUN messages until ctx ends, and closes the sockets. It returns nil
// then, or what has ended one of them.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	var wg sync.WaitGroup
	for i := range s.sockets {
		wg.Go(func() {
			if err := s.serve(i); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("connreq/udp: %w", err)
	}
	return nil
}

func (s *Server) close() {
	for _, c := range s.sockets {
		_ = c.Close()
	}
}

// serve reads one socket.
func (s *Server) serve(socket int) error {
	conn := s.sockets[socket]
	in, out := make([]byte, maxDatagram), make([]byte, 0, maxDatagram)
	failed := 0
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			if failed++; errors.Is(err, net.ErrClosed) || failed >= maxReadErrors {
				return err
			}
			continue // such as an ICMP error about something that was sent
		}
		failed = 0
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		answer, to, result := s.answer(out[:0], in[:n], from, socket, time.Now())
		s.messages.WithLabelValues(result).Inc()
		if len(answer) > 0 {
			_, _ = conn.WriteToUDPAddrPort(answer, to) // a CPE asks again
		}
	}
}
