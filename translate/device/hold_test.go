// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/translate/device"
)

func TestHold(t *testing.T) {
	t.Run("bridges the pause between two calls", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			release := d.Hold()
			v := open(t, f, inform("2 PERIODIC"))
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 3 {
					<-time.After(4 * time.Second)
					if _, err := d.Call(t.Context(), getA); err != nil {
						t.Errorf("Call: got %v, want nil", err)
					}
				}
				release()
				release()
			}()
			v.next(nil, getA)
			v.next(gotA, getA)
			v.next(gotA, getA)
			start := time.Now()
			v.end(gotA)
			if got := time.Since(start); got != 0 {
				t.Fatalf("got the end %v after release, want at once", got)
			}
			<-done
		})
	})
	t.Run("is bounded", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			defer d.Hold()()
			v := open(t, f, inform("2 PERIODIC"))
			start := time.Now()
			v.end(nil)
			if got := time.Since(start); got != 5*time.Second {
				t.Fatalf("got the end after %v, want 5s", got)
			}
		})
	})
	t.Run("ends with the session", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			defer d.Hold()()
			v := open(t, f, inform("2 PERIODIC"))
			go func() {
				<-time.After(time.Second)
				v.cancel(acs.ErrTimeout)
			}()
			if _, err := v.s.Next(v.ctx, nil); !errors.Is(err, acs.ErrTimeout) {
				t.Fatalf("got %v, want the cause of the context", err)
			}
			v.s.Close(acs.ErrTimeout)
		})
	})
	t.Run("two holders", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			first, second := d.Hold(), d.Hold()
			first()
			first() // once is enough
			v := open(t, f, inform("2 PERIODIC"))
			time.AfterFunc(time.Second, second)
			start := time.Now()
			v.end(nil)
			if got := time.Since(start); got != time.Second {
				t.Fatalf("got the end after %v, want 1s", got)
			}
		})
	})
}

func TestOnWire(t *testing.T) {
	t.Run("runs before the request leaves", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			n := 0
			c := call(device.OnWire(t.Context(), func() error { n++; return nil }), d, setA)
			if n != 0 {
				t.Fatal("got the hook called in the queue, want it later")
			}
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, setA)
			if n != 1 {
				t.Fatalf("got %d calls of the hook, want 1", n)
			}
			v.end(setOK)
			want(t, c, setOK, nil)
		})
	})
	t.Run("and may forbid it", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			full := errors.New("disk full")
			c := call(device.OnWire(t.Context(), func() error { return full }), d, setA)
			next := call(t.Context(), d, getA)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, getA)
			synctest.Wait()
			got := <-c
			if !errors.Is(got.err, device.ErrNotSent) || !errors.Is(got.err, full) {
				t.Fatalf("got %v, want ErrNotSent and the hook's error", got.err)
			}
			v.end(gotA)
			want(t, next, gotA, nil)
		})
	})
	t.Run("session lost meanwhile", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			var v *visit
			c := call(device.OnWire(t.Context(), func() error { v.cancel(acs.ErrVanished); return nil }), d, setA)
			v = open(t, f, inform("2 PERIODIC"))
			if _, err := v.s.Next(v.ctx, nil); !errors.Is(err, acs.ErrVanished) {
				t.Fatalf("got %v, want ErrVanished", err)
			}
			v.s.Close(acs.ErrVanished)
			waiting(t, c) // it has not left: the next session serves it
		})
	})
}
