// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// Defaults and bounds of Options.
const (
	DefaultTimeout = 60 * time.Second
	DefaultMaxRPCs = 10_000
	maxRetryAfter  = 24 * time.Hour
)

// Options configures a Client.
type Options struct {
	// Device is managed by the ACS. Required.
	Device Device
	// Timeout bounds one HTTP exchange; 0 means 60 s.
	Timeout time.Duration
	// MaxRPCs bounds the requests of the ACS in one session; 0 means 10,000.
	// Beyond it the session is broken off.
	MaxRPCs int
	// Limits of the envelopes read; the zero value means those of soap.
	Limits soap.Limits
	// Wait replaces the retry table: the wait after n failed sessions in a
	// row, n counted from 1. Nil means Settings.Retry.
	Wait func(n uint32) time.Duration
	// Dial opens the connections to the ACS; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS configures https; nil means the system's roots.
	TLS *tls.Config
	// Transport wraps the way of every HTTP exchange with the ACS, for a CPE
	// that does not talk as the standard has it; nil leaves it alone. It is
	// called once, by New.
	Transport func(http.RoundTripper) http.RoundTripper
	// Answered is called with the answer of the ACS to each request that was
	// given to Send or Defer, by the goroutine of Run; a refusal is a
	// *cwmp.Fault. Nil is none.
	Answered func(cwmp.Request, cwmp.Response)
	// SupportedVersions is sent with the Inform, such as "1.0,1.1,1.2"; empty
	// is none, as of a CPE older than CWMP 1.4.
	SupportedVersions string
	// Log gets one line per failed session and debug lines; nil is none.
	Log *zap.Logger
}

// Client opens the sessions of one CPE.
type Client struct {
	opts      Options
	log       *zap.Logger
	transport *http.Transport
	exchange  http.RoundTripper // transport, or what wraps it
	wake      chan struct{}     // 1: something to tell
	refresh   chan struct{}     // 1: settings changed

	mu      sync.Mutex // guards what follows
	queue   queue
	running bool

	// Owned by Run.
	lastURL string
	retries uint32
	nextID  uint64
}

// ErrRunning is returned by a second Run.
var ErrRunning = errors.New("cpe: already running")

// New returns a Client that has nothing to report yet.
func New(o Options) (*Client, error) {
	if o.Device == nil {
		return nil, errors.New("cpe: Options.Device is required")
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxRPCs <= 0 {
		o.MaxRPCs = DefaultMaxRPCs
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.Timeout}).DialContext
	}
	c := &Client{
		opts: o,
		log:  o.Log.Named("cwmp.cpe"),
		transport: &http.Transport{
			DialContext:         o.Dial,
			TLSClientConfig:     o.TLS,
			TLSHandshakeTimeout: o.Timeout,
			MaxConnsPerHost:     1,
			MaxIdleConnsPerHost: 1,
			DisableCompression:  true,
		},
		wake:    make(chan struct{}, 1),
		refresh: make(chan struct{}, 1),
	}
	c.exchange = c.transport
	if o.Transport != nil {
		c.exchange = o.Transport(c.transport)
	}
	return c, nil
}

// Raise queues events and opens a session for them as soon as none is open,
// whatever the retry table says. Safe for concurrent use.
func (c *Client) Raise(events ...cwmp.Event) {
	c.Note(events...)
	signal(c.wake)
}

// Note queues events for the next Inform, without opening a session for them.
// Safe for concurrent use.
func (c *Client) Note(events ...cwmp.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		c.queue.add(e)
	}
}

// Send queues a request of the CPE's own and opens a session for it. The
// events are reported in every Inform until the ACS has answered the request,
// as 7 TRANSFER COMPLETE and M Download are [TR-069 3.7.1.5]. It reports false
// if 64 requests wait already. Safe for concurrent use.
func (c *Client) Send(req cwmp.Request, events ...cwmp.Event) bool {
	ok := c.Defer(req, events...)
	if ok {
		signal(c.wake)
	}
	return ok
}

// Defer queues a request as Send does, without opening a session for it.
func (c *Client) Defer(req cwmp.Request, events ...cwmp.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.send(req, events)
}

// Refresh makes a waiting Client read its Device's Settings again.
func (c *Client) Refresh() { signal(c.refresh) }

// Pending returns the events that have not been delivered yet.
func (c *Client) Pending() []cwmp.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	cp := queue{events: append([]cwmp.Event(nil), c.queue.events...)}
	for i := range c.queue.out {
		for _, e := range c.queue.out[i].events {
			cp.add(e)
		}
	}
	return cp.events
}

// Run opens sessions until ctx ends, and returns nil then. An open session is
// broken off. It may be called again after it has returned: that is a reboot,
// across which the retry count starts anew and only the events are kept that
// TR-069 wants kept. Those raised before the first call count as the boot's.
func (c *Client) Run(ctx context.Context) error {
	if !c.start() {
		return ErrRunning
	}
	defer c.stop()
	periodic := time.Now()
	var retryAt time.Time
	told := "" // the URL of the last session
	for {
		set := c.opts.Device.Settings()
		due := nextPeriodic(set, periodic)
		switch c.await(ctx, earliest(due, retryAt)) {
		case causeDone:
			return nil
		case causeRefresh:
			continue
		case causeTimer:
			if now := time.Now(); !due.IsZero() && !now.Before(due) {
				periodic = now
				c.Note(cwmp.Event{Code: cwmp.EventPeriodic})
			}
		case causeWake:
			if set.URL == told && retryAt.IsZero() && !c.hasNews() {
				continue // the last session was for it, too
			}
		}
		set = c.opts.Device.Settings()
		told = set.URL
		err := c.runSession(ctx, set)
		retryAt = time.Time{}
		if url := c.opts.Device.Settings().URL; url != set.URL {
			signal(c.wake) // the new ACS hears of it at once
		}
		if err != nil {
			retryAt = time.Now().Add(c.backoff(err))
		}
	}
}

// hasNews reports that there is something to say in a session.
func (c *Client) hasNews() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue.events)+len(c.queue.out) > 0
}

func (c *Client) start() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return false
	}
	c.running = true
	if len(c.queue.events)+len(c.queue.out) > 0 {
		signal(c.wake)
	}
	return true
}

func (c *Client) stop() {
	c.transport.CloseIdleConnections()
	c.retries = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.rebooted()
	c.running = false
	drain(c.wake)
}

// cause is why a wait ended.
type cause uint8

const (
	causeDone cause = iota
	causeWake
	causeRefresh
	causeTimer
)

// await blocks until there is something to do; a zero at is no timer.
func (c *Client) await(ctx context.Context, at time.Time) cause {
	var timer <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		timer = t.C
	}
	if ctx.Err() != nil {
		return causeDone
	}
	select {
	case <-ctx.Done():
		return causeDone
	case <-c.wake:
		return causeWake
	case <-c.refresh:
		return causeRefresh
	case <-timer:
		return causeTimer
	}
}

// backoff counts a failed session and returns the wait until the next.
func (c *Client) backoff(err error) time.Duration {
	c.retries++
	var busy *BusyError
	if errors.As(err, &busy) && busy.RetryAfter > 0 {
		return min(busy.RetryAfter, maxRetryAfter)
	}
	if c.opts.Wait != nil {
		return c.opts.Wait(c.retries)
	}
	return c.opts.Device.Settings().Retry.Wait(c.retries, rand.Float64())
}

// nextPeriodic returns when the next 2 PERIODIC is due, the zero time for
// never: on the phase of PeriodicTime if that is known, otherwise an interval
// after last.
func nextPeriodic(s Settings, last time.Time) time.Time {
	if s.PeriodicInterval <= 0 {
		return time.Time{}
	}
	if s.PeriodicTime.Year() <= 1 {
		return last.Add(s.PeriodicInterval)
	}
	since := last.Sub(s.PeriodicTime) % s.PeriodicInterval
	if since < 0 {
		since += s.PeriodicInterval
	}
	return last.Add(s.PeriodicInterval - since)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func drain(ch chan struct{}) {
	select {
	case <-ch:
	default:
	}
}
