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
	// Log takes one line per ended attempt; nil: none.
	Log *zap.Logger
}

// Supervise is the one place where transports in client role reconnect: it
// runs attempt again and again until ctx ends, and returns nil then; an error of
// Hold ends it too and is returned.
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
		if o.Hold != nil {
			if err := o.Hold(ctx); err != nil {
				return endOf(ctx, err)
			}
		}
		err := attempt(ctx, backoff.Reset)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // ending with ctx is not a failure
		}
		wait := backoff.Next()
		log.Warn("connection ended, will connect again",
			zap.Error(err), zap.Int("attempt", backoff.Attempt()), zap.Duration("wait", wait))
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// endOf is nil if ctx has ended, err otherwise.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
