// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"errors"
	"time"
)

// Results of a Step, and labels of metrics.
const (
	ResultOK          = "ok"          // sent or taken
	ResultBusy        = "busy"        // ErrInSession
	ResultCredentials = "credentials" // ErrCredentials
	ResultForbidden   = "forbidden"   // ErrForbidden
	ResultUnreachable = "unreachable" // ErrUnreachable
	ResultAnswer      = "answer"      // ErrAnswer
	ResultCanceled    = "canceled"    // nobody waited any more, or the session came first
	ResultSession     = "session"     // taken, and the session came
	ResultNoSession   = "no_session"  // taken, and no session came in time [quirk 77]
)

// Step is one Connection Request.
type Step struct {
	At     time.Time
	Method Method
	// To is the URL, the address or the JID that was asked.
	To string
	// Username is that of the login that was tried.
	Username string
	// Result is one of the constants.
	Result string
	// Detail says more of an error; at most 200 bytes.
	Detail string
}

// Report is how a wake went, or goes.
type Report struct {
	Began time.Time
	// Ended is zero while it goes on.
	Ended time.Time
	// Steps are the requests in their order, of very many the last 16.
	Steps []Step
	// Method and Login are those of the request that was taken before the session
	// came; empty if none came, or of its own accord.
	Method Method
	Login  Login
}

const (
	maxSteps  = 16
	maxDetail = 200
)

// add appends s.
func (r *Report) add(s Step) {
	if len(r.Steps) >= maxSteps {
		r.Steps = append(r.Steps[:0:0], r.Steps[len(r.Steps)-maxSteps+1:]...)
	}
	r.Steps = append(r.Steps, s)
}

// clone shares nothing with r.
func (r *Report) clone() Report {
	c := *r
	c.Steps = append([]Step(nil), r.Steps...)
	return c
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return ResultOK
	case errors.Is(err, ErrInSession):
		return ResultBusy
	case errors.Is(err, ErrCredentials):
		return ResultCredentials
	case errors.Is(err, ErrForbidden):
		return ResultForbidden
	case errors.Is(err, ErrUnreachable):
		return ResultUnreachable
	case errors.Is(err, ErrAnswer):
		return ResultAnswer
	default:
		return ResultCanceled
	}
}

func detailOf(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	return s[:min(len(s), maxDetail)]
}
