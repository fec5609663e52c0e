// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Client sends Connection Requests. Safe for concurrent use; it starts no
// goroutines and keeps no connections.
type Client struct {
	opts  Options
	log   *zap.Logger
	total *prometheus.CounterVec
}

// New returns a Client. Metrics that cannot be registered are not, and logged.
func New(o Options) *Client {
	o = o.withDefaults()
	c := &Client{opts: o, log: o.Log.Named("connreq")}
	c.total = newTotal(o.Metrics, c.log)
	return c
}

// Wake asks the CPE to open a session [TR-069 3.2.2]. Success means that the CPE
// has taken the request, not that the session will come [quirk 77]. An attempt
// that finds the CPE unreachable is repeated. Errors wrap ErrInSession,
// ErrCredentials, ErrForbidden, ErrUnreachable, ErrAnswer, or the cause of ctx.
func (c *Client) Wake(ctx context.Context, t Target) error {
	err := c.wake(ctx, t, c.opts.Retries)
	c.total.WithLabelValues(string(HTTP), resultOf(err)).Inc()
	return err
}

func (c *Client) wake(ctx context.Context, t Target, retries int) error {
	u, err := parseURL(t.URL)
	if err != nil {
		return err
	}
	pause := c.opts.RetryWait
	for left := retries; ; left-- {
		err := c.attempt(ctx, u, &t)
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("connreq: %w", context.Cause(ctx))
		}
		if !errors.Is(err, ErrUnreachable) || left <= 0 {
			return err
		}
		if !wait(ctx, pause) {
			return fmt.Errorf("connreq: %w", context.Cause(ctx))
		}
		pause *= 2
	}
}

// zone is that of an IPv6 address in a URL: it means something to the CPE only
// [quirk 80].
var zone = regexp.MustCompile(`^([a-zA-Z]+://[^/?#]*\[[^/?#%\]]*)%[^/?#\]]*\]`)

// parseURL takes an absolute http URL. User info in it is not used.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(zone.ReplaceAllString(strings.TrimSpace(raw), "$1]"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if !strings.EqualFold(u.Scheme, "http") || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: %q is not an http URL", ErrForbidden, u.Redacted())
	}
	return u, nil
}

// attempt makes the request, answers the challenge and makes it again.
func (c *Client) attempt(ctx context.Context, u *url.URL, t *Target) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	x := &exchange{ctx: ctx, client: c, url: u, target: t}
	defer x.close()
	code, header, err := x.get("")
	for left := 2; err == nil && code == http.StatusUnauthorized && left > 0; left-- {
		dialled := x.dialled
		var auth string
		if auth, err = c.authorize(header, u.RequestURI(), t); err == nil {
			code, header, err = x.get(auth)
		}
		// The nonce may be too old, or one of a connection that is gone.
		if err == nil && !stale(header) && x.dialled == dialled {
			break
		}
	}
	if err != nil {
		return err
	}
	switch code {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrCredentials
	case http.StatusServiceUnavailable:
		return ErrInSession
	default:
		return fmt.Errorf("%w: status %d", ErrAnswer, code) // also a redirect: never followed
	}
}
