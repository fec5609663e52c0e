// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/connreq/internal/lru"
)

// Outcomes of a Waker's Wake other than a session.
var (
	// ErrNoWay: nothing is known by which the CPE could be asked.
	ErrNoWay = errors.New("connreq: no way to ask the CPE for a session")
	// ErrNoSession: all ways were tried, and no session came.
	ErrNoSession = errors.New("connreq: no session came")
	// ErrTooMany: MaxWaking CPE are being woken.
	ErrTooMany = errors.New("connreq: too many CPE are being woken")
	// ErrClosed: Run has ended.
	ErrClosed = errors.New("connreq: closed")

	errArrived   = errors.New("connreq: the session has come")
	errAbandoned = errors.New("connreq: nobody waits any more")
)

// Waker brings CPE into a session by a ladder of ways. It makes sure that a CPE is
// asked once for all who want it, and not too often, whoever calls. Safe for
// concurrent use; Run ends what it has started.
type Waker struct {
	opts  WakerOptions
	log   *zap.Logger
	slots *slots
	total *prometheus.CounterVec
	wakes *prometheus.CounterVec
	now   prometheus.Gauge

	base context.Context //nolint:containedctx // parent of all wakes, which begin in Wake and may outlive it
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	wanted map[string]*wake
	known  *lru.Map[string, *remembered]
}

// wake is the one wake of a CPE that goes on.
type wake struct {
	cpe    CPE
	ctx    context.Context //nolint:containedctx // ends with the wake
	cancel context.CancelCauseFunc
	done   chan struct{}

	waiters int    // under Waker.mu
	report  Report // under Waker.mu
	err     error  // once done is closed
}

// remembered is what the Waker knows of a CPE between its wakes.
type remembered struct {
	notBefore time.Time // of the next request
	pause     time.Duration
	tried     map[Method]int // requests since the last session, or since all ways have failed
	method    Method         // that worked last
	login     Login
	report    Report
}

// rest forgets what stood against asking again.
func (r *remembered) rest() { r.notBefore, r.pause, r.tried = time.Time{}, 0, nil }

// recall returns what is remembered of key, which is kept; w.mu is held.
func (w *Waker) recall(key string) *remembered {
	r, ok := w.known.Get(key)
	if !ok {
		r = &remembered{}
		w.known.Put(key, r)
	}
	return r
}

// NewWaker returns a Waker. Metrics that cannot be registered are not, and logged.
func NewWaker(o WakerOptions) *Waker {
	o = o.withDefaults()
	w := &Waker{
		opts: o, log: o.Log.Named("connreq"), slots: newSlots(o.MaxActive, o.MaxPerNetwork),
		wakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_connreq_wakes_total", Help: "CPE woken, by the method that brought the session and result.",
		}, []string{"method", "result"}),
		now: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_connreq_waking", Help: "CPE that are being woken.",
		}),
		wanted: map[string]*wake{}, known: lru.New[string, *remembered](o.MaxRemembered),
	}
	w.total = newTotal(o.Metrics, w.log)
	w.base, w.end = context.WithCancel(context.Background())
	if o.Metrics != nil {
		if err := errors.Join(o.Metrics.Register(w.wakes), o.Metrics.Register(w.now)); err != nil {
			w.log.Error("metrics not registered", zap.Error(err))
		}
	}
	return w
}

// Run returns when ctx has ended and all wakes have, which then fail with
// ErrClosed.
func (w *Waker) Run(ctx context.Context) error {
	<-ctx.Done()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.end()
	w.wg.Wait()
	return nil
}

// Wake asks the CPE for a session until Arrived tells that one has come. All who
// call it for one CPE at a time share one wake, that of the first, and its
// outcome; it goes on while one of them waits. After one that failed the next
// begins with a pause. Errors wrap ErrNoWay, ErrNoSession, ErrTooMany, ErrClosed, or
// the cause of ctx.
func (w *Waker) Wake(ctx context.Context, c CPE) (Report, error) {
	for {
		k, err := w.join(c)
		if err != nil {
			return Report{}, err
		}
		select {
		case <-k.done:
			if errors.Is(k.err, errAbandoned) && ctx.Err() == nil {
				continue // it had ended when we came
			}
			return k.report.clone(), k.err
		case <-ctx.Done():
			return w.leave(k), fmt.Errorf("connreq: %w", context.Cause(ctx))
		}
	}
}

// join returns the wake of c, which it begins where there is none.
func (w *Waker) join(c CPE) (*wake, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.wanted[c.Key]
	switch {
	case w.closed:
		return nil, ErrClosed
	case k != nil:
	case len(w.wanted) >= w.opts.MaxWaking:
		return nil, ErrTooMany
	default:
		k = &wake{cpe: c, done: make(chan struct{}), report: Report{Began: time.Now()}}
		k.ctx, k.cancel = context.WithCancelCause(w.base)
		w.wanted[c.Key] = k
		w.now.Inc()
		w.wg.Go(func() { w.run(k) })
	}
	k.waiters++
	return k, nil
}

// leave is the end of one who waits.
func (w *Waker) leave(k *wake) Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.waiters--; k.waiters == 0 {
		k.cancel(errAbandoned)
	}
	return k.report.clone()
}

// Arrived tells that a session of the CPE has begun. It never blocks.
func (w *Waker) Arrived(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.known.Get(key); ok {
		r.rest()
	}
	if k := w.wanted[key]; k != nil {
		k.cancel(errArrived)
	}
}

// Report returns how the wake of the CPE goes, or its last one went; false where
// none is remembered.
func (w *Waker) Report(key string) (Report, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.wanted[key]; k != nil {
		return k.report.clone(), true
	}
	if r, ok := w.known.Get(key); ok {
		return r.report.clone(), true
	}
	return Report{}, false
}

// Waking reports whether the CPE is being woken.
func (w *Waker) Waking(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wanted[key] != nil
}
