// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing"
)

// Node is this process among the others. Join makes it one, Run keeps it one.
// Safe for concurrent use.
type Node struct {
	o    Options
	log  *zap.Logger
	met  *metrics
	base time.Time // of the monotonic clock

	leases store.Bucket
	owners *Owners
	life   atomic.Pointer[life] // nil before Join
	teller teller

	instance string // with which those of all its leases begin
	attempts int    // to take one; acquire's

	mu       sync.Mutex // a leaf
	members  map[string]member
	seen     uint64                // the newest lease that members shows
	services map[string]BusHandler // by name, served at every life
	handler  routing.PeerHandler

	adopter adopter

	links  links
	shared shared
	cwmp   remoteSessions
	rpc    rpc
	http   exchanges
	news   news

	group    sync.WaitGroup // what Run waits for
	groupMu  sync.Mutex
	groupEnd bool // nothing begins any more
}

// member is a node that lives.
type member struct {
	epoch uint64
	since time.Time
}

// life is one epoch of this node: from a lease to its end.
type life struct {
	epoch    uint64
	revision uint64 // of the lease; only keep and leave have it
	instance string
	since    time.Time
	ctx      context.Context //nolint:containedctx // ends with the lease
	end      context.CancelFunc
	served   atomic.Bool  // the others reach it
	deadline atomic.Int64 // since Node.base, by when the lease must have been renewed
}

// Failures of Join and Run.
var (
	// ErrNameTaken: another process lives under the node's name.
	ErrNameTaken = errors.New("cluster: another process has this name")
	// errNoLease: this node owns nothing until it has a new lease.
	errNoLease = errors.New("cluster: this node has no lease")
)

// New returns a Node that is none yet, and opens what it needs of the Store.
func New(ctx context.Context, o Options) (*Node, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	met, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	n := &Node{
		o: o, log: o.Log.Named("cluster").With(zap.String("node", o.Name)), met: met, base: time.Now(),
		members: make(map[string]member), services: make(map[string]BusHandler), instance: rand.Text() + "-",
	}
	n.teller.init()
	n.adopter.bell = make(chan struct{}, 1)
	n.links.init(n)
	n.shared.init(n)
	n.cwmp.init(n)
	n.rpc.init(n)
	n.http.n = n
	n.news.init(n)
	if n.leases, err = o.Store.Bucket(ctx, leaseBucket, store.BucketOptions{MaxValue: 4 << 10}); err != nil {
		return nil, fmt.Errorf("cluster: leases: %w", err)
	}
	bucket, err := o.Store.Bucket(ctx, ownerBucket, store.BucketOptions{MaxValue: 4 << 10})
	if err != nil {
		return nil, fmt.Errorf("cluster: owners: %w", err)
	}
	n.owners = newOwners(n, bucket)
	n.services[serviceDisown] = n.owners.disown
	n.services[serviceLink] = n.links.handle
	n.services[serviceShared] = n.shared.handle
	n.services[serviceRPC] = n.rpc.handle
	n.services[serviceNews] = n.news.heard
	n.services[serviceAsk] = n.news.ask
	return n, nil
}

// The buckets.
const (
	leaseBucket = "LEASE"
	ownerBucket = "OWNER"
)

// The services of a node.
const (
	serviceDisown = "disown"
	serviceLink   = "link"
	serviceShared = "shared"
	serviceRPC    = "rpc"
	serviceNews   = "news"
	serviceAsk    = "ask"
)

// Name is the name of this node.
func (n *Node) Name() string { return n.o.Name }

// Peers is what the Router divides addresses by.
func (n *Node) Peers() *Owners { return n.owners }

// Attach tells who is reported to; to be called before Run.
func (n *Node) Attach(h routing.PeerHandler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handler = h
}

// now is the monotonic clock.
func (n *Node) now() int64 { return int64(time.Since(n.base)) }

// alive returns the life of this node, nil if it has no lease it can be sure of.
func (n *Node) alive() *life {
	l := n.life.Load()
	if l == nil || !l.served.Load() || l.ctx.Err() != nil || n.now() > l.deadline.Load() {
		return nil
	}
	return l
}

// Ready is nil while this node has its lease.
func (n *Node) Ready() error {
	if n.alive() == nil {
		return errNoLease
	}
	return nil
}

// address is that of a node's life on the Bus: what is meant for an earlier one
// reaches nobody.
func address(node string, epoch uint64) string { return node + "." + strconv.FormatUint(epoch, 36) }

// Run keeps the lease and everything that hangs on it until ctx ends: then the
// node leaves, and others may have at once what it owned. Another process with
// its name ends it too. At return none of its goroutines is alive.
func (n *Node) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	telling, silence := context.WithCancel(context.WithoutCancel(ctx))
	defer silence()
	var teller sync.WaitGroup
	teller.Go(func() { n.teller.run(telling, n) })
	n.group.Go(func() { n.watchMembers(inner) })
	n.group.Go(func() { n.owners.watch(inner) })
	n.group.Go(func() { n.owners.work(inner) })
	n.group.Go(func() { n.adopt(inner) })
	n.group.Go(func() { n.news.run(inner) })
	err := n.live(ctx)
	stop()
	n.groupMu.Lock()
	n.groupEnd = true
	n.groupMu.Unlock()
	n.group.Wait()
	silence() // the last: whoever has claimed something hears what came of it
	teller.Wait()
	return err
}

// spawn runs f on a goroutine that Run waits for; it is false if Run has ended, or
// is about to.
func (n *Node) spawn(f func()) bool {
	n.groupMu.Lock()
	defer n.groupMu.Unlock()
	if n.groupEnd {
		return false
	}
	n.group.Go(f)
	return true
}

// live goes from lease to lease.
func (n *Node) live(ctx context.Context) error {
	for {
		l := n.life.Load()
		if l != nil {
			stop, err := n.serve(l) //nolint:contextcheck // what it begins has the life's
			if err == nil {
				n.log.Info("part of the cluster", zap.Uint64("epoch", l.epoch))
				n.keep(ctx, l)
			}
			if ctx.Err() != nil {
				n.leave(l, stop) //nolint:contextcheck // ctx has ended
				return nil       //nolint:nilerr // it is what was asked for
			}
			n.fence(l, stop, err)
		}
		for {
			err := n.acquire(ctx, false)
			if err == nil {
				break
			}
			if errors.Is(err, ErrNameTaken) {
				return err
			}
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it is what was asked for
			}
			n.log.Warn("no lease yet", zap.Error(err))
			if !pause(ctx, n.o.Lease/10) {
				return nil
			}
		}
	}
}

// serve makes this life reachable.
func (n *Node) serve(l *life) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	n.mu.Lock()
	services := maps.Clone(n.services)
	n.mu.Unlock()
	for name, h := range services {
		s, err := n.o.Bus.Serve(address(n.o.Name, l.epoch), name, h)
		if err != nil {
			return stop, err
		}
		stops = append(stops, s)
	}
	n.links.begin(l)
	l.served.Store(true)
	return stop, nil
}

// fence ends a life whose lease is gone, or may be. The Router knows when it returns:
// with the next lease the others see that this life is over, and take what it had.
func (n *Node) fence(l *life, stop func(), cause error) {
	n.log.Error("the lease of this node is lost; it owns nothing until it has a new one", zap.Error(cause))
	n.met.fences.Inc()
	n.end(l, stop)
	n.owners.lifeOver(l)
	told := make(chan struct{})
	n.teller.post(func(h routing.PeerHandler) {
		defer close(told)
		h.PeersLost()
	})
	<-told
}

// end ends what hangs on a life.
func (n *Node) end(l *life, stop func()) {
	l.end()
	n.links.end()
	n.shared.streams.end("", errNoLease)
	n.rpc.streams.end("", errNoLease)
	stop()
}

// leave gives the lease back.
func (n *Node) leave(l *life, stop func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), n.o.Lease/3)
	defer cancel()
	n.owners.finish()
	n.end(l, stop)
	if err := n.leases.Delete(ctx, leaseKey(n.o.Name), l.revision); err != nil {
		n.log.Warn("the lease could not be given back; it runs out", zap.Error(err))
		return
	}
	n.log.Info("left the cluster")
}

// pause waits, and is false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
