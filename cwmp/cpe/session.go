// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// maxAttempts bounds how often one request is repeated because the ACS
// answered Fault 8005, retry request.
const maxAttempts = 10

// Failures of a session. They are wrapped with the step that failed.
var (
	// ErrProtocol: the ACS answered something that is not CWMP at this point.
	ErrProtocol = errors.New("protocol error of the ACS")
	// ErrBroken: the Device broke the session off.
	ErrBroken = errors.New("session broken off by the device")
	// ErrTooManyRPCs: the ACS called more methods than Options.MaxRPCs.
	ErrTooManyRPCs = errors.New("too many requests in one session")
)

// session is one CWMP session. It lives on the stack of Client.Run.
type session struct {
	c        *Client
	set      Settings
	http     *http.Client
	url      string // where to POST, after redirects
	auth     authorizer
	hold     bool // HoldRequests of the last envelope of the ACS
	report   Session
	ns       string
	buf      []byte
	requests int
}

// runSession opens one session and reports it.
func (c *Client) runSession(ctx context.Context, set Settings) error {
	if c.lastURL != "" && c.lastURL != set.URL {
		c.Note(cwmp.Event{Code: cwmp.EventBootstrap})
	}
	c.lastURL = set.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		return fmt.Errorf("cpe: cookies: %w", err)
	}
	s := session{
		c: c, set: set, url: set.URL, ns: set.Namespace,
		auth: authorizer{username: set.Username, password: set.Password},
		http: &http.Client{
			Transport: c.exchange, Jar: jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if s.ns == "" {
		s.ns = cwmp.Namespace12
	}
	err = s.run(ctx)
	c.transport.CloseIdleConnections() // the CPE closes, [TR-069 3.7.1.4]
	if err == nil {
		c.retries = 0
	} else if ctx.Err() == nil {
		c.log.Warn("session failed", zap.Uint32("retry_count", s.report.RetryCount), zap.Error(err))
	}
	c.mu.Lock()
	if err != nil {
		c.queue.failed()
	}
	c.mu.Unlock()
	s.report.Err = err
	c.opts.Device.SessionEnded(s.report)
	return err
}

func (s *session) run(ctx context.Context) error {
	if err := s.inform(ctx); err != nil {
		return fmt.Errorf("cpe: Inform: %w", err)
	}
	if !s.hold {
		if err := s.own(ctx); err != nil {
			return err
		}
	}
	return s.serve(ctx)
}

// inform opens the session; events are delivered by the InformResponse only.
func (s *session) inform(ctx context.Context) error {
	c := s.c
	c.mu.Lock()
	list, taken := c.queue.take()
	c.mu.Unlock()
	s.report.Events, s.report.RetryCount = list, c.retries
	id, params := c.opts.Device.Inform(list)
	in := &cwmp.Inform{
		DeviceID: id, Events: list, MaxEnvelopes: 1, RetryCount: c.retries,
		CurrentTime: time.Now().Format(time.RFC3339), Params: params,
	}
	resp, err := s.ask(ctx, &cwmp.Envelope{Body: in, SupportedVersions: c.opts.SupportedVersions})
	if err == nil {
		err = expect[*cwmp.InformResponse](resp)
	}
	c.mu.Lock()
	if err != nil {
		c.queue.restore(taken)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	s.report.Informed = true
	c.opts.Device.Informed(in)
	return nil
}

// own sends the CPE's own requests, before the first empty POST.
func (s *session) own(ctx context.Context) error {
	for !s.hold {
		s.c.mu.Lock()
		req := s.c.queue.next()
		s.c.mu.Unlock()
		if req == nil {
			return nil
		}
		resp, err := s.ask(ctx, &cwmp.Envelope{Body: req})
		if err != nil {
			return fmt.Errorf("cpe: %s: %w", req.Method(), err)
		}
		f, refused := resp.(*cwmp.Fault)
		if !refused && resp.Method() != req.Method()+"Response" { // [quirk 70]
			return fmt.Errorf("cpe: %s: %w: got %s", req.Method(), ErrProtocol, resp.Method())
		}
		if s.c.opts.Answered != nil {
			s.c.opts.Answered(req, resp)
		}
		if refused {
			// Refused: it stays queued, for events that must never be
			// discarded, and is tried again in the next session.
			s.c.log.Info("request refused by the ACS", zap.String("method", req.Method()), zap.Error(f))
			continue
		}
		s.c.mu.Lock()
		s.c.queue.answered(req)
		s.c.mu.Unlock()
	}
	return nil
}

// ask sends a request of the CPE and returns its response; Fault 8005 makes it
// send the same again [TR-069 3.7.1.4].
func (s *session) ask(ctx context.Context, env *cwmp.Envelope) (cwmp.Response, error) {
	s.c.nextID++
	env.Namespace, env.ID = s.ns, strconv.FormatUint(s.c.nextID, 10)
	for range maxAttempts {
		reply, err := s.post(ctx, env)
		if err != nil {
			return nil, err
		}
		if reply == nil {
			return nil, fmt.Errorf("%w: empty answer to %s", ErrProtocol, env.Body.Method())
		}
		s.hold = reply.HoldRequests
		resp, ok := reply.Body.(cwmp.Response)
		if !ok || reply.Body == nil {
			return nil, fmt.Errorf("%w: no response to %s", ErrProtocol, env.Body.Method())
		}
		if f, ok := resp.(*cwmp.Fault); !ok || f.Code != cwmp.FaultACSRetryRequest {
			return resp, nil
		}
	}
	return nil, fmt.Errorf("%w: %s has to be retried for ever", ErrProtocol, env.Body.Method())
}

// serve gives the ACS its turns: an empty POST, then one response after the
// other, until the ACS has nothing more.
func (s *session) serve(ctx context.Context) error {
	var answer *cwmp.Envelope
	for {
		env, err := s.post(ctx, answer)
		if err != nil {
			return fmt.Errorf("cpe: turn of the ACS: %w", err)
		}
		if env == nil || env.Body == nil {
			return nil
		}
		s.hold = env.HoldRequests
		req, ok := env.Body.(cwmp.Request)
		if !ok {
			return fmt.Errorf("cpe: turn of the ACS: %w: %s is not a request", ErrProtocol, env.Body.Method())
		}
		if s.requests++; s.requests > s.c.opts.MaxRPCs {
			return fmt.Errorf("cpe: turn of the ACS: %w", ErrTooManyRPCs)
		}
		s.report.Methods = append(s.report.Methods, req.Method())
		resp, err := s.c.opts.Device.Handle(ctx, req)
		if err != nil {
			return fmt.Errorf("cpe: %s: %w", req.Method(), errors.Join(ErrBroken, err))
		}
		answer = &cwmp.Envelope{Namespace: env.Namespace, ID: env.ID, NoID: env.NoID, Body: resp}
	}
}

// expect reports whether resp is an R, as an error.
func expect[R cwmp.Response](resp cwmp.Response) error {
	if _, ok := resp.(R); ok {
		return nil
	}
	if f, ok := resp.(*cwmp.Fault); ok {
		return f
	}
	return fmt.Errorf("%w: got %s", ErrProtocol, resp.Method())
}
