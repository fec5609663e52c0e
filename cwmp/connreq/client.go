// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/icholy/digest"
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
	c.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_connreq_total",
		Help: "Connection Requests by method and result.",
	}, []string{"method", "result"})
	if o.Metrics != nil {
		if err := o.Metrics.Register(c.total); err != nil {
			c.log.Error("metrics not registered", zap.Error(err))
		}
	}
	return c
}

// Wake asks the CPE to open a session [TR-069 3.2.2]. Success means that the CPE
// has taken the request, not that the session will come [quirk 77]. An attempt
// that finds the CPE unreachable is repeated. Errors wrap ErrInSession,
// ErrCredentials, ErrForbidden, ErrUnreachable, ErrAnswer, or the cause of ctx.
func (c *Client) Wake(ctx context.Context, t Target) error {
	err := c.wake(ctx, t)
	c.total.WithLabelValues("http", resultOf(err)).Inc()
	return err
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrInSession):
		return "busy"
	case errors.Is(err, ErrCredentials):
		return "credentials"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case errors.Is(err, ErrUnreachable):
		return "unreachable"
	case errors.Is(err, ErrAnswer):
		return "answer"
	default:
		return "canceled"
	}
}

func (c *Client) wake(ctx context.Context, t Target) error {
	u, err := parseURL(t.URL)
	if err != nil {
		return err
	}
	wait := c.opts.RetryWait
	for left := c.opts.Retries; ; left-- {
		err := c.attempt(ctx, u, t)
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("connreq: %w", context.Cause(ctx))
		}
		if !errors.Is(err, ErrUnreachable) || left <= 0 {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("connreq: %w", context.Cause(ctx))
		}
		wait *= 2
	}
}

// parseURL takes an absolute http URL. User info in it is not used.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if !strings.EqualFold(u.Scheme, "http") || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: %q is not an http URL", ErrForbidden, u.Redacted())
	}
	return u, nil
}

// attempt makes the request, answers the challenge and makes it again.
func (c *Client) attempt(ctx context.Context, u *url.URL, t Target) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	x := &exchange{ctx: ctx, client: c, url: u, target: t}
	defer x.close()
	code, header, err := x.get("")
	if err != nil {
		return err
	}
	if code == http.StatusUnauthorized {
		auth, err := c.authorize(header, u, t)
		if err != nil {
			return err
		}
		if code, _, err = x.get(auth); err != nil {
			return err
		}
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

// authorize answers the challenge of a 401. qop, nc and cnonce are sent only if
// the challenge has qop, opaque only if it has one.
func (c *Client) authorize(h http.Header, u *url.URL, t Target) (string, error) {
	if t.Username == "" && t.Password == "" {
		return "", fmt.Errorf("%w: none known", ErrCredentials)
	}
	challenges := h.Values("Www-Authenticate")
	for _, raw := range challenges {
		ch, err := digest.ParseChallenge(raw)
		if err != nil {
			continue
		}
		tolerate(ch)
		cred, err := digest.Digest(ch, digest.Options{
			Method: http.MethodGet, URI: u.RequestURI(), Count: 1, Username: t.Username, Password: t.Password,
		})
		if err == nil {
			return cred.String(), nil
		}
	}
	for _, raw := range challenges {
		if c.opts.AllowBasic && len(raw) >= 5 && strings.EqualFold(raw[:5], "Basic") {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(t.Username+":"+t.Password)), nil
		}
	}
	return "", fmt.Errorf("%w: no challenge that may be answered: %.100q", ErrCredentials, challenges)
}

// tolerate makes a challenge of the field [quirks 44, 78] one of the RFC.
func tolerate(ch *digest.Challenge) {
	qop := ch.QOP[:0]
	for _, q := range ch.QOP {
		if q = strings.ToLower(strings.TrimSpace(q)); q == "auth" || q == "auth-int" {
			qop = append(qop, q)
		}
	}
	ch.QOP = qop
	ch.Algorithm = strings.TrimSpace(ch.Algorithm)
	if len(ch.Algorithm) < 3 || strings.EqualFold(ch.Algorithm, "MD5") {
		ch.Algorithm = "MD5" // what is not said, or mistyped
	}
}
