// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// maxRedirects bounds the 302 and 307 followed in one session [TR-069 3.4.4].
const maxRedirects = 5

// maxEnvelope is the default of soap.Limits.MaxBytes.
const maxEnvelope = 32 << 20

// BusyError is a 503 of the ACS.
type BusyError struct {
	// RetryAfter is what the ACS asked for; 0 if it did not.
	RetryAfter time.Duration
}

// Error names the status and the wait.
func (e *BusyError) Error() string {
	return "ACS answered 503, retry after " + e.RetryAfter.String()
}

// StatusError is an HTTP status that ends a session.
type StatusError struct{ Code int }

// Error names the status.
func (e *StatusError) Error() string {
	return "ACS answered " + strconv.Itoa(e.Code) + " " + http.StatusText(e.Code)
}

// ErrUnauthorized means that the ACS refused the CPE's credentials.
var ErrUnauthorized = errors.New("the ACS refused the credentials")

// post exchanges one HTTP message. A nil env is the empty POST, a nil result
// an empty answer. The same envelope is repeated after a 401, with
// credentials, and after a redirect, to the new place.
func (s *session) post(ctx context.Context, env *cwmp.Envelope) (*cwmp.Envelope, error) {
	body := s.buf[:0]
	if env != nil {
		var err error
		if body, err = soap.Append(body, env); err != nil {
			return nil, fmt.Errorf("encode %s: %w", env.Body.Method(), err)
		}
		s.buf = body
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.opts.Timeout)
	defer cancel()
	challenged, redirects := false, 0
	for {
		resp, err := s.exchange(ctx, body)
		if err != nil {
			return nil, err
		}
		switch resp.StatusCode {
		case http.StatusOK, http.StatusNoContent:
			return s.read(resp)
		case http.StatusUnauthorized:
			discard(resp)
			if challenged && !s.auth.stale(resp.Header) {
				return nil, ErrUnauthorized
			}
			challenged = true
			if err := s.auth.challenge(resp.Header); err != nil {
				return nil, err
			}
		case http.StatusFound, http.StatusTemporaryRedirect:
			discard(resp)
			if redirects++; redirects > maxRedirects {
				return nil, fmt.Errorf("%w: too many redirects", ErrProtocol)
			}
			if err := s.redirect(resp); err != nil {
				return nil, err
			}
			challenged = false
		case http.StatusServiceUnavailable:
			discard(resp)
			return nil, &BusyError{RetryAfter: retryAfter(resp.Header)}
		default:
			discard(resp)
			return nil, &StatusError{Code: resp.StatusCode}
		}
	}
}

// exchange sends body once.
func (s *session) exchange(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
		req.Header["SOAPAction"] = []string{""}
	}
	if err := s.auth.authorize(req); err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("post: %w", err)
	}
	return resp, nil
}

// read takes the envelope of a successful answer.
func (s *session) read(resp *http.Response) (*cwmp.Envelope, error) {
	defer func() { _ = resp.Body.Close() }()
	limit := s.c.opts.Limits.MaxBytes
	if limit <= 0 {
		limit = maxEnvelope
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil //nolint:nilnil // an empty answer is not an error, it is the end of a turn
	}
	env, err := soap.DecodeBytes(b, resp.Header.Get("Content-Type"), s.c.opts.Limits)
	if err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return env, nil
}

// redirect takes the Location for the rest of this session.
func (s *session) redirect(resp *http.Response) error {
	loc, err := resp.Location()
	if err != nil {
		return fmt.Errorf("%w: redirect: %w", ErrProtocol, err)
	}
	if loc.Scheme != "http" && loc.Scheme != "https" {
		return fmt.Errorf("%w: redirect to %q", ErrProtocol, loc.Scheme)
	}
	if from, err := url.Parse(s.url); err == nil && from.Scheme == "https" && loc.Scheme == "http" {
		return fmt.Errorf("%w: redirect from https to http", ErrProtocol)
	}
	s.url = loc.String()
	s.auth.reset()
	return nil
}

// discard reads a short rest so that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}

// retryAfter reads the header in both of its forms.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
