// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// Causes with which Session.Close is called after an irregular end.
var (
	// ErrTimeout: the CPE did not send its next POST in time, or the Session
	// took longer than the CPE can be kept waiting.
	ErrTimeout = errors.New("acs: session timeout")
	// ErrVanished: the CPE closed its connection in the middle of the session
	// and did not come back.
	ErrVanished = errors.New("acs: the CPE vanished")
	// ErrReplaced: the same CPE opened a newer session [quirk 40].
	ErrReplaced = errors.New("acs: replaced by a newer session of the same CPE")
	// ErrShutdown: the Server stopped before the session was over.
	ErrShutdown = errors.New("acs: shutting down")
	// ErrProtocol: the CPE sent something that no tolerant reader can go on
	// with.
	ErrProtocol = errors.New("acs: protocol error of the CPE")
	// ErrEndless: the session has lasted for longer than Options.MaxSessionTime, or
	// the CPE has sent more than Options.MaxCPERequests.
	ErrEndless = errors.New("acs: endless session")
	// ErrLost: the CPE left a request of the ACS unanswered twice.
	ErrLost = errors.New("acs: request left unanswered")
)

// Options configures a Server. The zero value of a field means its default.
type Options struct {
	// Name labels the log lines; default "cwmp".
	Name string
	// Addr is the TCP address to bind, host:port; default ":7547".
	Addr string
	// Listener, if not nil, is used instead of binding Addr; the Server closes
	// it.
	Listener net.Listener
	// Bind, if not nil and without a Listener, makes the listener in place of
	// binding Addr: one that reads PROXY headers, say. Its connections may wait
	// for such a header in RemoteAddr and Read.
	Bind func(ctx context.Context) (net.Listener, error)
	// TrustedProxies are the networks of HTTP proxies that say in
	// ForwardedHeader, and X-Forwarded-Proto, who has sent a POST. From anywhere
	// else these headers are ignored. Their connections may carry the POSTs of
	// several CPE.
	TrustedProxies []netip.Prefix
	// ForwardedHeader is X-Forwarded-For, the default, or Forwarded. The proxies
	// must set it or append to it; the other one is ignored, as who does not
	// know it passes on what a client has made up.
	ForwardedHeader string
	// TLS, if not nil, makes the listener speak TLS.
	TLS *tls.Config
	// Legacy, if not nil, makes TLS that of old CPE.
	Legacy *Legacy
	// Handler decides what sessions are about; required.
	Handler Handler
	// Auth authenticates the CPE at the Inform; nil lets everybody in.
	Auth Authenticator

	// MaxConns is the greatest number of TCP connections; one above it is
	// closed at once. Default 20,000. An eighth more is for the addresses from
	// which a session is open.
	MaxConns int
	// MaxConnsPerAddress is how many of them may come from one address, an IPv6
	// address with all of its /64; default no bound. As many again may come from
	// where a session is open. TrustedProxies are not bound.
	MaxConnsPerAddress int
	// MaxSessions is the greatest number of sessions that are open at a time;
	// above it an Inform gets 503 with Retry-After before it is parsed.
	// Default 10,000. A CPE has one session: its newest. A sixteenth more, but at
	// least one, is for CPE that are Expected, and for those in a session that
	// begin a new one.
	MaxSessions int
	// SessionRate is how many sessions may begin per second in the long run; what
	// is above it gets 503 with Retry-After before it is parsed, later the more
	// have been sent away already. Default 2,000; negative: no bound.
	SessionRate int
	// SessionBurst is how many may begin at once after a quiet time; default twice
	// SessionRate.
	SessionBurst int
	// Expected, if not nil, tells CPE for whose session somebody waits: they have
	// a SessionRate of their own. It is asked for each CPE without a session.
	// Safe for concurrent use; it must not block.
	Expected func(Hint) bool
	// MaxMemory bounds the bodies of all POSTs that are read or answered, together
	// and inflated; default 128 MiB, and one body of a session beyond. CPE without
	// a session get half of it, and 503 above that; those with one wait.
	MaxMemory int64
	// MaxInformBytes is the greatest body that is read from a CPE without a
	// session; default 1 MiB.
	MaxInformBytes int64
	// MaxInflatedBytes is the greatest body after gzip or deflate; default
	// 16 MiB [quirk 47].
	MaxInflatedBytes int64
	// MaxHeaderBytes bounds the HTTP header of a request; default 16 KiB.
	MaxHeaderBytes int
	// Limits bounds the envelopes; Limits.MaxBytes is also the greatest body
	// of a CPE with a session.
	Limits soap.Limits

	// SessionTimeout is how long the ACS waits for the next POST; default 60 s.
	// A SessionTimeout header of the CPE replaces it.
	SessionTimeout time.Duration
	// MaxSessionTimeout caps the SessionTimeout header; default 300 s.
	MaxSessionTimeout time.Duration
	// MaxSessionTime is how long a session may last whatever happens; default 1 h.
	MaxSessionTime time.Duration
	// MaxCPERequests is how many requests a CPE may send in a session; default
	// 1,000.
	MaxCPERequests int
	// ReplyTimeout is how long a CPE is kept waiting for the answer to a POST,
	// and so bounds Session.Next; default 25 s, as many CPE give up at 30.
	ReplyTimeout time.Duration
	// VanishGrace is how long a session outlives a keep-alive connection that
	// the CPE has closed; default 30 s, never more than the session timeout.
	// A CPE that uses a connection for each POST always gets the whole session
	// timeout [quirk 39]. While the Server drains it is 250 ms at most.
	VanishGrace time.Duration
	// EndGrace is how long after the end one more empty POST is answered like
	// the last; default 5 s [quirk 35].
	EndGrace time.Duration
	// ReadHeaderTimeout bounds the HTTP header; default 10 s.
	ReadHeaderTimeout time.Duration
	// WriteTimeout bounds the writing of an answer; default 60 s.
	WriteTimeout time.Duration
	// BodyTimeout bounds the pause between two pieces of a body; default 15 s.
	BodyTimeout time.Duration
	// MaxBodyTime bounds the time for a whole body; default 120 s.
	MaxBodyTime time.Duration
	// IdleTimeout closes connections without a request; default is
	// MaxSessionTimeout plus 5 s.
	IdleTimeout time.Duration
	// FreeIdleTimeout is the same for a connection that is of no session any
	// more, or not yet; default 15 s.
	FreeIdleTimeout time.Duration
	// DrainTimeout is how long open sessions may go on when Run is told to
	// end; default 10 s.
	DrainTimeout time.Duration
	// RetryAfter is the mean of the Retry-After header of a 503, which is
	// spread over half to one and a half of it; default 60 s.
	RetryAfter time.Duration

	// Methods answers a GetRPCMethods of the CPE; default Inform,
	// GetRPCMethods, TransferComplete.
	Methods []string
	// Profile, if not nil, says how a CPE wants its session [quirks 28, 29, 35, 36,
	// 37, 41]. Safe for concurrent use; it must not block.
	Profile func(in *cwmp.Inform) Profile
	// Found, if not nil, is told what sessions have shown about a CPE. It must not
	// block, nor retain more of a Finding than it copies.
	Found func(Finding)
	// MaxWatched is of how many devices it is remembered how their last Informs
	// were, to find loops and conflicts; default 50,000. Of more those that were
	// seen least lately are forgotten.
	MaxWatched int
	// ConflictTime is how long evidence of a conflict counts; default 48 h.
	ConflictTime time.Duration

	// Node, unless empty, tells this Server from others that CPE may reach in its
	// place: the session cookies begin with it. It has letters and digits only.
	Node string
	// Elsewhere are the others; nil: there are none. A POST with the cookie of one
	// of their sessions is passed on to it, so that whatever is in front of the
	// Servers may send each POST to another.
	Elsewhere Elsewhere

	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none. Servers may share one.
	Metrics prometheus.Registerer
}

const (
	mib = 1 << 20
	kib = 1 << 10
)

// orDefault sets *v to d if it is zero or negative.
func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "cwmp"
	}
	if o.Addr == "" {
		o.Addr = ":7547"
	}
	orDefault(&o.MaxConns, 20_000)
	orDefault(&o.MaxSessions, 10_000)
	if o.SessionRate == 0 {
		o.SessionRate = 2000
	}
	orDefault(&o.SessionBurst, 2*o.SessionRate)
	orDefault(&o.MaxMemory, 128*mib)
	orDefault(&o.MaxSessionTime, time.Hour)
	orDefault(&o.MaxCPERequests, 1000)
	orDefault(&o.MaxWatched, 50_000)
	orDefault(&o.ConflictTime, 48*time.Hour)
	orDefault(&o.MaxInformBytes, mib)
	orDefault(&o.MaxInflatedBytes, 16*mib)
	orDefault(&o.MaxHeaderBytes, 16*kib)
	orDefault(&o.Limits.MaxBytes, 32*mib)
	orDefault(&o.SessionTimeout, 60*time.Second)
	orDefault(&o.MaxSessionTimeout, 300*time.Second)
	orDefault(&o.ReplyTimeout, 25*time.Second)
	orDefault(&o.VanishGrace, 30*time.Second)
	orDefault(&o.EndGrace, 5*time.Second)
	orDefault(&o.ReadHeaderTimeout, 10*time.Second)
	orDefault(&o.WriteTimeout, 60*time.Second)
	orDefault(&o.BodyTimeout, 15*time.Second)
	orDefault(&o.MaxBodyTime, 120*time.Second)
	orDefault(&o.IdleTimeout, o.MaxSessionTimeout+5*time.Second)
	orDefault(&o.FreeIdleTimeout, 15*time.Second)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.RetryAfter, 60*time.Second)
	if o.ForwardedHeader == "" {
		o.ForwardedHeader = forwardedHeader
	}
	o.ForwardedHeader = http.CanonicalHeaderKey(o.ForwardedHeader)
	if o.Methods == nil {
		o.Methods = []string{"Inform", "GetRPCMethods", "TransferComplete"}
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}
