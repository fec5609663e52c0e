// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"crypto/tls"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options configures a Client. The zero value of a field means its default.
type Options struct {
	// JID is who we are, such as acs@example.com/acs1; its local part is the user
	// name. Without a resource the server makes one. It has to be among the
	// ConnReqAllowedJabberIDs of the CPE, where they have any.
	JID string
	// Password is that of the account.
	Password string
	// Addr is host:port of the server; default by DNS: SRV of the domain, else the
	// domain and port 5222.
	Addr string
	// DirectTLS begins with TLS [XEP-0368], instead of STARTTLS. It needs Addr.
	DirectTLS bool
	// TLS is for the connection, which always has TLS of 1.2 or newer; nil is the
	// authorities of the system. ServerName defaults to the domain of JID.
	TLS *tls.Config
	// Domains are those of the CPE, to which their Connection Request passwords may
	// be sent; default that of JID.
	Domains []string

	// HandshakeTimeout bounds connect, TLS and login; default 20 s.
	HandshakeTimeout time.Duration
	// Timeout bounds one request, with the wait for a connection; default 10 s.
	Timeout time.Duration
	// Ping is the interval of pings [XEP-0199]; default 60 s. A server that does not
	// answer one within Timeout is left.
	Ping time.Duration
	// Backoff is the pause after a connection that failed, doubled up to
	// MaxBackoff, with jitter; default 1 s and 1 min.
	Backoff, MaxBackoff time.Duration
	// MaxStanza bounds what the server may send at a time, in bytes; default
	// 256 KiB. A connection with more is left.
	MaxStanza int

	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none.
	Metrics prometheus.Registerer
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	orDefault(&o.HandshakeTimeout, 20*time.Second)
	orDefault(&o.Timeout, 10*time.Second)
	orDefault(&o.Ping, time.Minute)
	orDefault(&o.Backoff, time.Second)
	orDefault(&o.MaxBackoff, time.Minute)
	orDefault(&o.MaxStanza, 256<<10)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}
