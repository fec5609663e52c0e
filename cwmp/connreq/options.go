// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"errors"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Outcomes of a Wake other than success.
var (
	// ErrInSession: the CPE answered 503, it is in a session or too busy.
	ErrInSession = errors.New("connreq: CPE busy")
	// ErrCredentials: the CPE refused the credentials, or wants some and there
	// are none.
	ErrCredentials = errors.New("connreq: credentials refused")
	// ErrForbidden: the address is not one that may be called.
	ErrForbidden = errors.New("connreq: address not allowed")
	// ErrUnreachable: no connection, or no answer.
	ErrUnreachable = errors.New("connreq: CPE unreachable")
	// ErrAnswer: the CPE answered something else.
	ErrAnswer = errors.New("connreq: unexpected answer")
)

// Target is where and how a CPE takes Connection Requests.
type Target struct {
	URL      string
	Username string
	Password string
	// Source is where the CPE's last session came from; the zero Addr if
	// unknown. It is always allowed as destination, see Guard.
	Source netip.Addr
}

// Guard says which addresses may be called. The CPE chooses the URL, so without
// it every CPE could make the gateway send requests into the operator's net.
// Checked on the address that is dialled, after name resolution. Multicast and
// unspecified addresses and those of cloud metadata services are never called,
// loopback only with AllowLoopback, link-local ones only if Networks has a network
// of such, and none of these by way of an IPv6 address that stands for it.
type Guard struct {
	// Networks are the allowed destinations besides Target.Source; empty is
	// any.
	Networks []netip.Prefix
	// SourceOnly allows Target.Source and Networks only, even if Networks is
	// empty.
	SourceOnly bool
	// AllowLoopback lets loopback addresses pass, for simulators.
	AllowLoopback bool
}

// Options configures a Client. The zero value of a field means its default.
type Options struct {
	// Guard says which addresses may be called.
	Guard Guard
	// DialTimeout bounds one connect; default 3 s.
	DialTimeout time.Duration
	// Timeout bounds one attempt, both requests of it; default 10 s.
	Timeout time.Duration
	// Retries is how often an attempt that found the CPE unreachable is
	// repeated; default 2, negative is never.
	Retries int
	// RetryWait is the pause before the first repetition, doubled for the
	// next; default 1 s.
	RetryWait time.Duration
	// AllowBasic answers a Basic challenge; otherwise it is ErrCredentials.
	AllowBasic bool
	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none.
	Metrics prometheus.Registerer
}

func (o Options) withDefaults() Options {
	orDefault(&o.DialTimeout, 3*time.Second)
	orDefault(&o.Timeout, 10*time.Second)
	if o.Retries == 0 {
		o.Retries = 2
	}
	orDefault(&o.RetryWait, time.Second)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// maxLogins is how many logins of a CPE are tried.
const maxLogins = 8

// WakerOptions configures a Waker. The zero value of a field means its default.
type WakerOptions struct {
	// Ways are the methods that exist: a Client for HTTP, a udp.Server for UDP, an
	// xmpp.Client for XMPP.
	Ways map[Method]Requester
	// Order is that of the attempts; default HTTP, UDP, XMPP. What worked last for a
	// CPE comes before.
	Order []Method
	// SessionWait is how long a CPE that took a request, or may have, has time to
	// open its session; default 30 s [quirk 77].
	SessionWait time.Duration
	// Retries is how often a request that was taken without a session, or met a busy
	// CPE, is repeated before the next way; default 2, negative is never.
	Retries int
	// Backoff is the pause after all ways have failed, doubled each time up to
	// MaxBackoff, until a session comes; and that for a busy CPE. Default 2 s and
	// 1 min.
	Backoff, MaxBackoff time.Duration
	// MaxActive bounds the requests on their way at a time; default 256.
	MaxActive int
	// MaxPerNetwork bounds those to one network: 24 bits of an IPv4 address, 48 of
	// an IPv6 one, or all CPE whose address is not known; default 32.
	MaxPerNetwork int
	// MaxWaking bounds the CPE that are being woken; default 20,000. Wake of one
	// more is ErrTooMany.
	MaxWaking int
	// Waking, if not nil, is called with the Key of a CPE when a wake of it begins. It
	// must not block.
	Waking func(key string)
	// MaxRemembered bounds the CPE whose pause, last Method and Report are kept;
	// default 10,000. The one woken least recently is forgotten.
	MaxRemembered int
	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none.
	Metrics prometheus.Registerer
}

func (o WakerOptions) withDefaults() WakerOptions {
	if len(o.Order) == 0 {
		o.Order = []Method{HTTP, UDP, XMPP}
	}
	if o.Retries == 0 {
		o.Retries = 2
	}
	o.Retries = max(o.Retries, 0)
	orDefault(&o.SessionWait, 30*time.Second)
	orDefault(&o.Backoff, 2*time.Second)
	orDefault(&o.MaxBackoff, time.Minute)
	orDefault(&o.MaxActive, 256)
	orDefault(&o.MaxPerNetwork, 32)
	orDefault(&o.MaxWaking, 20_000)
	orDefault(&o.MaxRemembered, 10_000)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
