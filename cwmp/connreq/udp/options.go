// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// Options configures a Server. The zero value of a field means its default.
type Options struct {
	// Addrs are the addresses to listen on; default 127.0.0.1:3478. On a host with
	// several addresses name each one: what is sent from a wildcard socket leaves
	// with the address of the route, which may not be the one that the CPE knows.
	Addrs []string
	// Public is the address by which CPE know the Server, for SOURCE-ADDRESS and
	// CHANGED-ADDRESS of RFC 3489; default that of the socket, and none if that is a
	// wildcard.
	Public netip.AddrPort
	// Guard says which addresses may be asked for a session.
	Guard connreq.Guard

	// Credentials returns the STUNPassword of a STUNUsername; it is asked for each
	// message and must not block. nil asks for none: whoever sends a Binding
	// Request is answered. Otherwise one without MESSAGE-INTEGRITY meets 401.
	Credentials func(username string) (password string, ok bool)
	// AllowAnonymous answers what has no MESSAGE-INTEGRITY in spite of Credentials.
	AllowAnonymous bool

	// Rate is how many messages a second one source may send, an IPv4 address or
	// an IPv6 network of 64 bits; default 50, since many CPE may share an address.
	Rate float64
	// Burst is how many it may send at once; default 200.
	Burst int
	// MaxSources bounds the sources that are counted; default 65,536. The one
	// heard least recently is forgotten.
	MaxSources int

	// MaxBindings bounds the source addresses whose bindings are remembered, and
	// the STUN user names; default 200,000 each. The one heard least recently is
	// forgotten. Of one source address the last 8 are.
	MaxBindings int
	// BindingTime is how long a binding is remembered that is not heard of again;
	// default 1 h.
	BindingTime time.Duration

	// Copies is how often a Connection Request is sent; default 3.
	Copies int
	// CopyInterval is the time between the copies; default 200 ms.
	CopyInterval time.Duration

	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none.
	Metrics prometheus.Registerer
}

func orDefault[T int | float64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	if len(o.Addrs) == 0 {
		o.Addrs = []string{"127.0.0.1:3478"}
	}
	orDefault(&o.Rate, 50)
	orDefault(&o.Burst, 200)
	orDefault(&o.MaxSources, 65_536)
	orDefault(&o.MaxBindings, 200_000)
	orDefault(&o.BindingTime, time.Hour)
	orDefault(&o.Copies, 3)
	orDefault(&o.CopyInterval, 200*time.Millisecond)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}
