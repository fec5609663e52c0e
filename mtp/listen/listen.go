// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// DefaultHeaderTimeout is that of Options.HeaderTimeout.
const DefaultHeaderTimeout = 10 * time.Second

// Rests of Accept after a temporary failure: twice as long each time.
const (
	firstRest = 5 * time.Millisecond
	longRest  = time.Second
)

// Options configure a listener.
type Options struct {
	// Network is "tcp" or "unix"; "": tcp.
	Network string
	// Address to bind: host:port, or the path of a socket. A socket file that
	// nobody listens on any more is replaced.
	Address string
	// MaxConnections bounds open connections, from Accept to Close; 0 and less:
	// no bound. One too many is closed at once and counted.
	MaxConnections int
	// MaxConnectionsPerAddress does so for one remote address, that of the PROXY
	// header where there is one; 0 and less: no bound. Unix sockets have none.
	MaxConnectionsPerAddress int
	// ProxyFrom are the networks of trusted proxies. A connection from there
	// must begin with a PROXY header, which is believed; one from elsewhere has
	// its bytes taken as they are. Empty: nobody is trusted.
	ProxyFrom []netip.Prefix
	// HeaderTimeout bounds the wait for that header; 0: 10 s.
	HeaderTimeout time.Duration
	// Metrics counts what is turned away; nil: nothing is counted.
	Metrics *mtp.KindMetrics
	// Log takes a line when accepting has to rest; nil: none.
	Log *zap.Logger
}

// Listen binds Options.Address; ctx bounds looking it up.
//
// Accept of the listener returns connections that count until they are closed
// and have CloseWrite and SyscallConn. It does not wait for PROXY headers: of a connection from
// a trusted proxy the first Read, RemoteAddr or LocalAddr does, for at most
// HeaderTimeout, so that these belong into a goroutine of the connection's own.
// What is malformed, late or too much is closed then, and Read returns an error.
// Accept rests and tries again where the system runs out of descriptors or
// memory; an error of Accept is final, net.ErrClosed after Close. Safe for concurrent use.
func Listen(ctx context.Context, o Options) (net.Listener, error) {
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Network != "tcp" && o.Network != "unix" {
		return nil, fmt.Errorf("listen: network %q: want tcp or unix", o.Network)
	}
	if o.HeaderTimeout <= 0 {
		o.HeaderTimeout = DefaultHeaderTimeout
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Network == "unix" {
		if err := removeStale(ctx, o.Address); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, o.Network, o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return wrap(ln, o), nil
}

func wrap(ln net.Listener, o Options) *listener {
	return &listener{
		Listener: ln, opts: o,
		limits: limits{
			total: o.MaxConnections, perAddress: o.MaxConnectionsPerAddress,
			byAddr: make(map[netip.Addr]int),
		},
		closed: make(chan struct{}),
	}
}

// removeStale removes the socket file at path if a server has left it that is
// not there any more. Whatever else stands in the way is found by binding.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil //nolint:nilerr // nothing that could be replaced
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		return conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return os.Remove(path)
}

// listener is what Listen returns.
type listener struct {
	net.Listener
	opts   Options
	limits limits

	closing sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	rest := firstRest
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if !temporary(err) {
				return nil, err
			}
			if !l.rest(rest, err) {
				return nil, fmt.Errorf("listen: accept: %w", net.ErrClosed)
			}
			rest = min(2*rest, longRest)
			continue
		}
		rest = firstRest
		if conn := l.admit(raw); conn != nil {
			return conn, nil
		}
	}
}

// Close implements net.Listener; connections that were accepted stay.
func (l *listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// admit counts a connection in, or closes it and returns nil.
func (l *listener) admit(raw net.Conn) net.Conn {
	addr := AddressOf(raw.RemoteAddr())
	trusted := l.trusts(addr)
	if trusted {
		addr = netip.Addr{} // counted by the header's
	}
	if reason, ok := l.limits.take(addr); !ok {
		l.opts.Metrics.Rejected(reason)
		_ = raw.Close() // nothing was said, nothing can be lost
		return nil
	}
	if trusted {
		return &proxied{Conn: raw, listener: l}
	}
	return &counted{Conn: raw, limits: &l.limits}
}

// trusts reports whether a is the address of a trusted proxy.
func (l *listener) trusts(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range l.opts.ProxyFrom {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// rest waits for d after err and reports whether to go on.
func (l *listener) rest(d time.Duration, err error) bool {
	if d == firstRest {
		l.opts.Log.Warn("accepting connections has to rest", zap.Error(err))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// temporary reports whether a later Accept may succeed: the system is short of
// something, or a connection was gone before it was accepted.
func temporary(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
		syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
