// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/usp"
)

// Defaults of Options.
const (
	// DefaultLease is how long a node lives without a sign of life.
	DefaultLease = 20 * time.Second
	// MinLease is the least that Options.Lease may be.
	MinLease = 2 * time.Second
	// DefaultWindowRecords and DefaultWindowBytes bound what is on its way to one
	// other node and has had no outcome.
	DefaultWindowRecords = 4096
	DefaultWindowBytes   = 16 << 20
	// DefaultMaxWrites is how many claims are written to the Store at a time.
	DefaultMaxWrites = 256
	// DefaultMaxClaims is how many claims and Announces wait; more are refused.
	DefaultMaxClaims = 1_000_000
	// DefaultAskTimeout is how long the owner of an address may take to give it up.
	DefaultAskTimeout = 15 * time.Second
	// DefaultMaxRemoteSessions is how many CWMP sessions of CPE at other nodes are
	// served here at a time.
	DefaultMaxRemoteSessions = 10_000
	// DefaultMaxNews is how many items wait to be told to other nodes; one more is
	// dropped.
	DefaultMaxNews = 4096
)

// Options configure a Node. Store and Bus are required.
type Options struct {
	// Name of the node, at most 200 bytes; default the name of the host. No two
	// nodes have the same.
	Name string
	// Store and Bus are those that all nodes share.
	Store store.Store
	Bus   Bus
	// Lease is how long after its last sign of life a node counts as dead. It
	// gives ten in that time, and after 0.7 of it without success it stops owning
	// anything. JetStream takes up to 9 s to elect another leader after a server has
	// crashed, which a node has to outlast. Default DefaultLease, at least MinLease.
	Lease time.Duration
	// Previous is the instance of this node's last process, if the end of that is
	// certain: its lease is not waited for. Remember, if not nil, is called with
	// each instance before it has a lease.
	Previous string
	Remember func(instance string) error
	// Adopt has every Virtual Agent served here, and bound to the Router, for whose
	// address mine is true: nobody who lives owns it, and this node is its heir. It
	// is called when the Node begins and some times after each death, once at a time; after
	// an error it is called again. ctx ends with the Node. nil: none is adopted.
	Adopt func(ctx context.Context, mine func(usp.Address) bool) error
	// Lost is called for an address that this node has lost to another without
	// being asked: its lease had run out. It must not block. nil: nobody is told.
	Lost func(usp.Address)

	// WindowRecords, WindowBytes, MaxWrites, MaxClaims, AskTimeout,
	// MaxRemoteSessions and MaxNews are bounds; 0 means the Default of the same name.
	WindowRecords, MaxWrites, MaxClaims, MaxRemoteSessions, MaxNews int
	WindowBytes                                                     int64
	AskTimeout                                                      time.Duration

	Log     *zap.Logger           // nil: none
	Metrics prometheus.Registerer // nil: none
}

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Bus == nil {
		return errors.New("cluster: Options.Store and Options.Bus are required")
	}
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("cluster: the node has no name, nor has the host: %w", err)
		}
		o.Name = host
	}
	if len(o.Name) > maxName {
		return fmt.Errorf("cluster: the name of the node has %d bytes, more than %d", len(o.Name), maxName)
	}
	def(&o.Lease, DefaultLease)
	if o.Lease < MinLease {
		return fmt.Errorf("cluster: a lease of %v is less than %v", o.Lease, MinLease)
	}
	def(&o.WindowRecords, DefaultWindowRecords)
	def(&o.WindowBytes, DefaultWindowBytes)
	def(&o.MaxWrites, DefaultMaxWrites)
	def(&o.MaxClaims, DefaultMaxClaims)
	def(&o.AskTimeout, DefaultAskTimeout)
	def(&o.MaxRemoteSessions, DefaultMaxRemoteSessions)
	def(&o.MaxNews, DefaultMaxNews)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return nil
}

// maxName leaves room for the epoch in the node of the Bus.
const maxName = 200

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
