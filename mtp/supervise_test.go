// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

var errDial = errors.New("dial")

// TestSuperviseGivesUp when it is told to, with the error that it is told.
func TestSuperviseGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused, enough := errors.New("refused"), errors.New("enough")
		attempts := 0
		opts := mtp.SuperviseOptions{GiveUp: func(err error) error {
			if !errors.Is(err, refused) {
				t.Errorf("GiveUp was asked about %v, want what the attempt ended with", err)
			}
			if attempts == 2 {
				return enough
			}
			return nil
		}}
		err := mtp.Supervise(t.Context(), opts, func(context.Context, func()) error {
			attempts++
			return refused
		})
		if !errors.Is(err, enough) || attempts != 2 {
			t.Errorf("got %v after %d attempts, want %v after 2", err, attempts, enough)
		}
	})
}

// TestSupervise_R_WS_21 watches the waits between attempts: they grow while
// attempts fail and start again after a success.
func TestSupervise_R_WS_21(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var gaps []time.Duration
		last := time.Now()
		opts := mtp.SuperviseOptions{Retry: mtp.BackoffOptions{Rand: func() float64 { return 0 }}}
		err := mtp.Supervise(ctx, opts, func(_ context.Context, up func()) error {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			switch len(gaps) {
			case 4:
				up()
			case 6:
				cancel()
			}
			return errDial
		})
		if err != nil {
			t.Fatalf("Supervise: got %v, want nil", err)
		}
		want := []time.Duration{0, 5e9, 10e9, 20e9, 5e9, 10e9}
		for i := range want {
			if gaps[i] != want[i] {
				t.Errorf("wait before attempt %d: got %v, want %v", i+1, gaps[i], want[i])
			}
		}
	})
}

func TestSuperviseEndsWithinAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		err := mtp.Supervise(ctx, mtp.SuperviseOptions{}, func(context.Context, func()) error { return errDial })
		if took := time.Since(begin); err != nil || took != time.Second {
			t.Fatalf("Supervise: got %v after %v, want nil after 1s", err, took)
		}
	})
}

// TestSuperviseHold_R_WS_4: no attempt as long as dialling should rest.
func TestSuperviseHold_R_WS_4(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name string
		hold mtp.HoldFunc
		want error
	}{
		{"until the context ends", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, nil},
		{"for good", func(context.Context) error { return errDial }, errDial},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			err := mtp.Supervise(ctx, mtp.SuperviseOptions{Hold: v.hold}, func(context.Context, func()) error {
				t.Error("attempted while held")
				return nil
			})
			if !errors.Is(err, v.want) {
				t.Fatalf("Supervise: got %v, want %v", err, v.want)
			}
		})
	}
}
