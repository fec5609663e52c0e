// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options configures a Server. The zero value of a field means its default.
type Options struct {
	// Name labels the log lines; default "files".
	Name string
	// Addr is the TCP address to bind, host:port; default "127.0.0.1:7567".
	Addr string
	// Listener, if not nil, is used instead of binding Addr; the Server closes
	// it. It is where connections are bounded per address and where the PROXY
	// protocol is spoken.
	Listener net.Listener
	// Bind, if not nil, makes that Listener, at Listen.
	Bind func(ctx context.Context) (net.Listener, error)
	// TLS, if not nil, makes the listener speak TLS, as old as it allows.
	TLS *tls.Config
	// BaseURL is how CPE reach the Server: http or https, host, port, perhaps a
	// path; plain ASCII. Default is the address that is bound, unless that is
	// no address of a host.
	BaseURL string

	// Root is the folder below which Offer.File lies; empty: no files.
	Root string
	// UploadRoot is the folder below which Intake.File lies; empty: none.
	UploadRoot string

	// Realm is that of the challenges; default httpauth.DefaultRealm.
	Realm string
	// NonceKey signs the nonces of Digest; Servers that share it take each
	// other's. Default random.
	NonceKey []byte
	// NonceTime is how long a nonce is good; default 5 min.
	NonceTime time.Duration

	// Lifetime is the time of a job that names none; default 24 h.
	Lifetime time.Duration
	// MaxJobs is the greatest number of open jobs; default 100,000.
	MaxJobs int
	// MaxURL is the greatest length of a URL in bytes; default 256, which is
	// what Download.URL can hold [TR-069 A.3.2.8].
	MaxURL int
	// Missing, if not nil, is asked for a token that is well-formed but of no
	// open job: after a restart, or where another node has opened the job. It
	// opens the job, with that Token, and returns true; or returns false. It
	// takes the context of the request; safe for concurrent use.
	Missing func(ctx context.Context, token string) bool

	// MaxConns is the greatest number of TCP connections; one above it is
	// closed at once. Default 2,000.
	MaxConns int
	// MaxTransfers is the greatest number of transfers at a time; above it the
	// answer is 503 with Retry-After. Default 500.
	MaxTransfers int
	// MaxTransfersPerAddress is the same for one IPv4 address or one IPv6 /64;
	// default 50. Behind a carrier's NAT one address is many CPE.
	MaxTransfersPerAddress int
	// MaxTransfersPerJob is the same for the downloads of one job; default 4.
	// Of uploads the newest is the only one.
	MaxTransfersPerJob int
	// MaxUpload is the MaxBytes of an Intake that names none; default 64 MiB.
	MaxUpload int64
	// MaxUploadTotal bounds the bytes of all uploads, running and of jobs that
	// are open; default 1 GiB.
	MaxUploadTotal int64
	// MaxUnauthenticated is the greatest body that is read before a 401 where
	// the CPE asked with Expect: 100-continue [quirk 33]; default 1 MiB. A CPE
	// that sends without asking is read up to the limit of its job.
	MaxUnauthenticated int64
	// MaxHeaderBytes bounds the HTTP header of a request; default 8 KiB.
	MaxHeaderBytes int

	// ReadHeaderTimeout bounds the HTTP header, and the TLS handshake; default
	// 20 s.
	ReadHeaderTimeout time.Duration
	// IdleTimeout closes connections without a request; default 60 s.
	IdleTimeout time.Duration
	// StallTimeout is the longest time without enough progress, see MinRate;
	// default 2 min, as CPE erase flash while they download.
	StallTimeout time.Duration
	// MinRate is the least rate of a transfer, in bytes per second: each
	// MinRate × StallTimeout bytes have to be through within StallTimeout.
	// There is no bound on the whole transfer. Default 128.
	MinRate int64
	// MaxRate is the greatest rate of all downloads together, in bytes per
	// second; 0: no bound.
	MaxRate int64
	// MaxRatePerTransfer is that of one download.
	MaxRatePerTransfer int64
	// DrainTimeout is how long transfers may go on when Run is told to end;
	// default 10 s.
	DrainTimeout time.Duration
	// RetryAfter is the mean of the Retry-After header of a 503, which is
	// spread over half to one and a half of it; default 60 s.
	RetryAfter time.Duration

	// Log takes the log lines; nil is none.
	Log *zap.Logger
	// Metrics registers the metrics; nil is none. Servers may share one.
	Metrics prometheus.Registerer
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// orDefault sets *v to d if it is zero or negative.
func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "files"
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:7567"
	}
	orDefault(&o.NonceTime, 5*time.Minute)
	orDefault(&o.Lifetime, 24*time.Hour)
	orDefault(&o.MaxJobs, 100_000)
	orDefault(&o.MaxURL, 256)
	orDefault(&o.MaxConns, 2_000)
	orDefault(&o.MaxTransfers, 500)
	orDefault(&o.MaxTransfersPerAddress, 50)
	orDefault(&o.MaxTransfersPerJob, 4)
	orDefault(&o.MaxUpload, 64*mib)
	orDefault(&o.MaxUploadTotal, 1024*mib)
	orDefault(&o.MaxUnauthenticated, mib)
	orDefault(&o.MaxHeaderBytes, 8*kib)
	orDefault(&o.ReadHeaderTimeout, 20*time.Second)
	orDefault(&o.IdleTimeout, 60*time.Second)
	orDefault(&o.StallTimeout, 2*time.Minute)
	orDefault(&o.MinRate, 128)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.RetryAfter, 60*time.Second)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}
