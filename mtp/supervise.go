// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// HoldFunc blocks while dialling should rest, for example as long as the
// counterpart has a session of its own [R-WS.4]. It returns nil when the next
// attempt may begin; an error ends the transport.
type HoldFunc func(ctx context.Context) error

// SuperviseOptions tell Supervise how to retry.
type SuperviseOptions struct {
	// Retry is the wait between attempts.
	Retry BackoffOptions
	// Hold, if set, is called before every attempt.
	Hold HoldFunc
	// GiveUp, if set, is asked after every attempt that ended: an error ends
	// the transport.
	GiveUp GiveUpFunc
	// Log takes one line per ended attempt; nil: none.
	Log *zap.Logger
}

// GiveUpFunc returns nil to connect again after an attempt that ended with err,
// otherwise the error with which the transport ends.
type GiveUpFunc func(err error) error

// Supervise is the one place where transports in client role reconnect: it
// runs attempt again and again until ctx ends, and returns nil then; an error of
// Hold or GiveUp ends it too and is returned.
//
// An attempt dials, serves the connection and returns why it ended; it calls
// up once the connection is established, which starts the Backoff again at its
// first step [R-WS.20]. Supervise starts no goroutine.
func Supervise(ctx context.Context, o SuperviseOptions, attempt func(ctx context.Context, up func()) error) error {
	log := o.Log
	if log == nil {
		log = zap.NewNop()
	}
	backoff := NewBackoff(o.Retry)
	for {
		if err := hold(ctx, o.Hold); err != nil || ended(ctx) {
			return err
		}
		cause := attempt(ctx, backoff.Reset)
		if ended(ctx) {
			return nil
		}
		if o.GiveUp != nil {
			if err := o.GiveUp(cause); err != nil {
				return err
			}
		}
		wait := backoff.Next()
		log.Warn("connection ended, will connect again",
			zap.Error(cause), zap.Int("attempt", backoff.Attempt()), zap.Duration("wait", wait))
		sleep(ctx, wait)
	}
}

// ended reports whether ctx has ended, which ends Supervise without an error.
func ended(ctx context.Context) bool { return ctx.Err() != nil }

// hold waits for f.
func hold(ctx context.Context, f HoldFunc) error {
	if f == nil || ended(ctx) {
		return nil
	}
	if err := f(ctx); !ended(ctx) {
		return err
	}
	return nil
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
