// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/tls"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Defaults of Options.
const (
	DefaultMaxMemory  = 64 << 20
	DefaultMaxStore   = 16 << 30
	DefaultMinFree    = 256 << 20
	DefaultMaxPayload = 8 << 20
	DefaultStart      = 30 * time.Second
)

// MinPayload is the least max_payload of a cluster: a Record of 5 MiB with what
// goes with it.
const MinPayload = 5<<20 + 64<<10

// Options configure an Engine. Either Dir or URL is set.
type Options struct {
	// Dir is the directory of the embedded engine's files; it is made if need be.
	Dir string
	// URL is that of an external NATS cluster: nats://a:4222,nats://b:4222.
	URL string
	// Username with Password, or CredsFile, is who this process is for the cluster;
	// TLS, how it is talked to. Empty: nobody, and as the URL says.
	Username, Password, CredsFile string
	TLS                           *tls.Config
	// KeyFile names a file with the secret, 32 bytes or more, that the embedded
	// engine's files are encrypted with, from the first start on. Empty: they are
	// not.
	KeyFile string
	// Interval, unless 0, lets the embedded engine fsync so often instead of before
	// each acknowledgement: what was acknowledged since may be lost with the
	// machine, not with the process.
	Interval time.Duration
	// MaxMemory and MaxStore bound what JetStream keeps in memory and on disk.
	// Defaults 64 MiB and 16 GiB.
	MaxMemory, MaxStore int64
	// MinFree is the free space of the file system below which nothing is taken any
	// more. Default 256 MiB.
	MinFree int64
	// MaxPayload bounds one message of the embedded engine. Default 8 MiB. A cluster
	// has its own max_payload, which Open refuses below MinPayload.
	MaxPayload int
	// Replicas is how many servers of a cluster keep each message. Default 1.
	Replicas int
	// Start bounds how long Open takes. Default 30 s.
	Start time.Duration

	Log     *zap.Logger           // nil: none
	Metrics prometheus.Registerer // nil: none

	sync    func(name string) error // for tests; nil: fsync
	tending tending                 // for tests; zero: its defaults

	answerWait time.Duration // for tests; 0: answerWait
}

func (o Options) withDefaults() Options {
	def(&o.MaxMemory, DefaultMaxMemory)
	def(&o.MaxStore, DefaultMaxStore)
	def(&o.MinFree, DefaultMinFree)
	def(&o.MaxPayload, DefaultMaxPayload)
	def(&o.Start, DefaultStart)
	def(&o.Replicas, 1)
	o.tending = o.tending.withDefaults()
	def(&o.answerWait, answerWait)
	if o.sync == nil {
		o.sync = syncFile
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
