// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/device"
)

// known makes the Device of the box, asleep.
func known(t *testing.T, f *device.Fleet) *device.Device {
	t.Helper()
	open(t, f, inform("2 PERIODIC")).end(nil)
	d := f.Device(boxID)
	if d == nil {
		t.Fatal("got no Device, want one")
	}
	return d
}

var keep = device.Options{KeepLogin: true}

func TestCallsAreServedInOrder(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		a, b := call(t.Context(), d, getA), call(t.Context(), d, setA)
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		waiting(t, a)
		v.next(gotA, setA)
		want(t, a, gotA, nil)
		v.end(setOK)
		want(t, b, setOK, nil)
	})
}

func TestFaultIsAnError(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		a, b := call(t.Context(), d, getA), call(t.Context(), d, getA)
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		fault := &cwmp.Fault{Code: 9005, Text: "Invalid parameter name"}
		v.next(fault, getA)
		want(t, a, nil, fault)
		v.end(setOK) // not the response to a GetParameterValues
		synctest.Wait()
		var got *cwmp.Fault
		if o := <-b; !errors.As(o.err, &got) || got.Code != cwmp.FaultInternalError {
			t.Fatalf("got %v, %v, want fault 9002", o.resp, o.err)
		}
	})
}

// What was withdrawn is never sent.
func TestDeadlineBeforeTheSession(t *testing.T) {
	for _, req := range []cwmp.Request{getA, setA} {
		t.Run(req.Method(), func(t *testing.T) {
			bubble(t, keep, func(env bed) {
				t, f := env.T, env.fleet

				d := known(t, f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c := call(ctx, d, req)
				<-time.After(time.Minute)
				want(t, c, nil, device.ErrNotSent)
				open(t, f, inform("2 PERIODIC")).end(nil)
				if n := d.Status().Queue; n != 0 {
					t.Fatalf("got %d in the queue, want none", n)
				}
			})
		})
	}
}

func TestCanceledBeforeTheCall(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		cancel(why)
		_, err := d.Call(ctx, setA)
		if !errors.Is(err, device.ErrNotSent) || !errors.Is(err, why) {
			t.Fatalf("got %v, want ErrNotSent and the cause", err)
		}
	})
}

// A caller that has given up, but has not been scheduled since, is not served.
func TestGivenUpInTheVeryMoment(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		for range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			c := call(ctx, d, setA)
			v := open(t, f, inform("2 PERIODIC"))
			cancel()
			v.end(nil)
			want(t, c, nil, device.ErrNotSent)
		}
	})
}

func TestDeadlineOnTheWire(t *testing.T) {
	t.Run("a read returns at once", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			c := call(ctx, d, getA)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, getA)
			cancel()
			want(t, c, nil, device.ErrNotSent)
			v.end(gotA) // the late response harms nobody
		})
	})
	t.Run("and is not repeated", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			c := call(ctx, d, getA)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, getA)
			cancel()
			want(t, c, nil, device.ErrNotSent)
			v.cut(acs.ErrVanished)
			open(t, f, inform("2 PERIODIC")).end(nil)
		})
	})
	t.Run("a write waits for its outcome", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			c := call(ctx, d, setA)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, setA)
			cancel()
			waiting(t, c)
			v.end(setOK)
			want(t, c, setOK, nil)
		})
	})
}

func TestSessionBreaks(t *testing.T) {
	t.Run("write", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			c, later := call(t.Context(), d, setA), call(t.Context(), d, getA)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, setA)
			v.cut(acs.ErrVanished)
			want(t, c, nil, device.ErrOutcomeUnknown)
			waiting(t, later) // it had not left
			v = open(t, f, inform("2 PERIODIC"))
			v.next(nil, getA)
			v.end(gotA)
			want(t, later, gotA, nil)
		})
	})
	t.Run("read is repeated, but not for ever", func(t *testing.T) {
		bubble(t, keep, func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			c, later := call(t.Context(), d, getA), call(t.Context(), d, setA)
			for range 3 {
				waiting(t, c)
				v := open(t, f, inform("2 PERIODIC"))
				v.next(nil, getA) // before what has been waiting since
				v.cut(acs.ErrTimeout)
			}
			want(t, c, nil, device.ErrOutcomeUnknown)
			waiting(t, later)
			v := open(t, f, inform("2 PERIODIC"))
			v.next(nil, setA)
			v.end(setOK)
			want(t, later, setOK, nil)
		})
	})
}

// TestQuirk73RebootsAtOnce: a Reboot or FactoryReset that the CPE does not answer was
// accepted, if it is the CPE who has broken off.
func TestQuirk73RebootsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		req   cwmp.Request
		cause error
		want  string
	}{
		{&cwmp.Reboot{}, acs.ErrVanished, "RebootResponse"},
		{&cwmp.Reboot{}, acs.ErrReplaced, "RebootResponse"},
		{&cwmp.FactoryReset{}, acs.ErrTimeout, "FactoryResetResponse"},
		{&cwmp.Reboot{}, acs.ErrShutdown, ""},
		{&cwmp.Reboot{}, acs.ErrLost, ""},
		{&cwmp.AddObject{}, acs.ErrVanished, ""},
	} {
		t.Run(tc.req.Method()+" "+tc.cause.Error(), func(t *testing.T) {
			bubble(t, keep, func(env bed) {
				t, f := env.T, env.fleet

				d := known(t, f)
				c := call(t.Context(), d, tc.req)
				v := open(t, f, inform("2 PERIODIC"))
				v.next(nil, tc.req)
				v.cut(tc.cause)
				synctest.Wait()
				got := <-c
				switch {
				case tc.want == "" && !errors.Is(got.err, device.ErrOutcomeUnknown):
					t.Fatalf("got %v, %v, want ErrOutcomeUnknown", got.resp, got.err)
				case tc.want != "" && (got.err != nil || got.resp.Method() != tc.want):
					t.Fatalf("got %v, %v, want %s", got.resp, got.err, tc.want)
				}
			})
		})
	}
}

// A new Inform replaces the open session, whoever notices first.
func TestReplacedSession(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		c := call(t.Context(), d, setA)
		old := open(t, f, inform("2 PERIODIC"))
		old.next(nil, setA)
		v := open(t, f, inform("1 BOOT"))
		want(t, c, nil, device.ErrOutcomeUnknown)
		if _, err := old.s.Next(old.ctx, setOK); !errors.Is(err, acs.ErrReplaced) {
			t.Fatalf("Next of the old session: got %v, want ErrReplaced", err)
		}
		old.s.Close(acs.ErrReplaced)
		if !d.Status().InSession {
			t.Fatal("got no session, want the new one")
		}
		next := call(t.Context(), d, getA)
		v.next(nil, getA)
		v.end(gotA)
		want(t, next, gotA, nil)
	})
}

func TestQueueIsBounded(t *testing.T) {
	bubble(t, device.Options{KeepLogin: true, MaxQueue: 3}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		var calls []<-chan outcome
		for range 3 {
			calls = append(calls, call(t.Context(), d, getA))
		}
		if _, err := d.Call(t.Context(), getA); !errors.Is(err, device.ErrBusy) {
			t.Fatalf("got %v, want ErrBusy", err)
		}
		v := open(t, f, inform("2 PERIODIC"))
		v.next(nil, getA)
		more := call(t.Context(), d, setA)
		waiting(t, more)
		v.next(gotA, getA)
		v.next(gotA, getA)
		v.next(gotA, setA)
		v.end(setOK)
		for _, c := range calls {
			want(t, c, gotA, nil)
		}
		want(t, more, setOK, nil)
	})
}

// Who calls after the last RPC was served must not believe in the session.
func TestCallAfterTheEndWakesAnew(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		v := open(t, f, inform("2 PERIODIC"))
		if _, err := v.s.Next(v.ctx, nil); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		c := call(t.Context(), d, getA) // 204 is on its way
		if w.count() != 1 {
			t.Fatalf("got %d wakes, want 1", w.count())
		}
		v.s.Close(nil)
		v = open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
	})
}

func TestObserver(t *testing.T) {
	o := &observer{}
	attached := 0
	opts := device.Options{KeepLogin: true, Attach: func(d *device.Device) (device.Observer, error) {
		attached++
		o.inform = func() { d.Hold()() } // allowed there
		return o, nil
	}}
	bubble(t, opts, func(env bed) {
		t, f := env.T, env.fleet

		v := open(t, f, inform("0 BOOTSTRAP"))
		resp, err := v.s.Request(v.ctx, &cwmp.TransferComplete{CommandKey: "k"})
		if err != nil || resp.Method() != "TransferCompleteResponse" {
			t.Fatalf("got %v, %v, want TransferCompleteResponse", resp, err)
		}
		resp, err = v.s.Request(v.ctx, &cwmp.Unknown{Name: "X_Odd"})
		if fault, ok := resp.(*cwmp.Fault); err != nil || !ok || fault.Code != 8000 {
			t.Fatalf("got %v, %v, want fault 8000", resp, err)
		}
		v.end(nil)
		v = open(t, f, inform("1 BOOT"))
		open(t, f, inform("2 PERIODIC")).end(nil)
		v.cut(acs.ErrReplaced)
		got := []string{
			"inform 0 BOOTSTRAP", "commit", "transfer k", "commit", "X_Odd", "commit", "ended",
			"inform 1 BOOT", "commit", "ended", "inform 2 PERIODIC", "commit", "ended",
		}
		if !slices.Equal(o.events, got) || attached != 1 {
			t.Fatalf("got %q and %d Attach, want %q and 1", o.events, attached, got)
		}
		if o.causes[0] != nil || !errors.Is(o.causes[1], acs.ErrReplaced) || o.causes[2] != nil {
			t.Fatalf("got causes %v, want nil, ErrReplaced, nil", o.causes)
		}
	})
}

// Each request that a CPE may make is answered with the response of its own method
// [quirk 70], and what no standard has with 8000 [quirk 75].
func TestQuirk70Quirk75RequestsOfTheCPE(t *testing.T) {
	bubble(t, device.Options{KeepLogin: true}, func(env bed) {
		v := open(env.T, env.fleet, inform("1 BOOT"))
		for _, req := range []cwmp.Request{
			&cwmp.TransferComplete{}, &cwmp.AutonomousTransferComplete{}, &cwmp.DUStateChangeComplete{},
			&cwmp.AutonomousDUStateChangeComplete{}, &cwmp.Kicked{Next: "http://next/"},
			&cwmp.Unknown{Name: "X_Odd"},
		} {
			resp, err := v.s.Request(v.ctx, req)
			if err != nil {
				env.Fatal(err)
			}
			switch r := resp.(type) {
			case *cwmp.Fault:
				if _, odd := req.(*cwmp.Unknown); !odd || r.Code != 8000 {
					env.Errorf("%s: got Fault %d", req.Method(), r.Code)
				}
			case *cwmp.KickedResponse:
				if r.NextURL != "http://next/" {
					env.Errorf("Kicked: got the page %q, want that of Next", r.NextURL)
				}
			default:
				if resp.Method() != req.Method()+"Response" {
					env.Errorf("%s: got %s", req.Method(), resp.Method())
				}
			}
		}
		v.end(nil)
	})
}

func TestDevices(t *testing.T) {
	bubble(t, device.Options{KeepLogin: true, MaxDevices: 2}, func(env bed) {
		t, f := env.T, env.fleet

		in := inform("1 BOOT")
		in.DeviceID.SerialNumber = "2"
		open(t, f, in).end(nil)
		in = inform("2 PERIODIC")
		in.DeviceID.OUI = "00256d" // another spelling of the same
		v := open(t, f, in)
		c := call(t.Context(), f.Device(boxID), getA)
		v.next(nil, getA)
		call(t.Context(), f.Device(boxID), setA)

		third := inform("1 BOOT")
		third.DeviceID.SerialNumber = "3"
		_, err := f.Open(t.Context(), third, boxInfo)
		var fault *cwmp.Fault
		if !errors.As(err, &fault) || fault.Code != cwmp.FaultACSResourcesExceeded {
			t.Fatalf("got %v, want fault 8004", err)
		}
		list := f.Devices()
		if len(list) != 2 || list[0].Identity != boxID || list[1].Identity.SerialNumber != "2" {
			t.Fatalf("got %+v, want the box and number 2", list)
		}
		got := list[0]
		if !got.InSession || got.OnWire != "GetParameterValues" || got.Queue != 1 || got.ParameterKey != "pk" ||
			got.ConnectionRequestURL != boxURL || got.Remote != boxInfo.Remote || !got.LastInform.Equal(time.Now()) ||
			!slices.Equal(got.Events, []string{"2 PERIODIC"}) {
			t.Fatalf("got %+v, want what is known", got)
		}
		v.cut(acs.ErrTimeout)
		waiting(t, c)
	})
}

func TestRunEndsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waker{}
		f, err := device.New(device.Options{KeepLogin: true, Waker: w})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		d := known(t, f)
		c := call(context.WithoutCancel(t.Context()), d, setA)
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("Run: got %v, want nil", err)
		}
		want(t, c, nil, device.ErrNotSent)
		if _, err := d.Call(t.Context(), setA); !errors.Is(err, device.ErrNotSent) {
			t.Fatalf("got %v, want ErrNotSent", err)
		}
	})
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	o := device.Options{KeepLogin: true, Metrics: reg}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		call(ctx, d, getA)
		if n, err := testutil.GatherAndCount(reg); err != nil || n != 4 {
			t.Fatalf("got %d series, %v, want devices, waiting, quarantined and deferred", n, err)
		}
		cancel()
		synctest.Wait()
		if n, err := testutil.GatherAndCount(reg, "uspgate_device_rpcs_total"); err != nil || n != 1 {
			t.Fatalf("got %d series, %v, want the call counted", n, err)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Fatalf("got %v, %v, want nothing to complain about", problems, err)
		}
		if _, err := device.New(o); err == nil {
			t.Fatal("second Fleet with the same registry: got nil, want an error")
		}
	})
}

var _ device.Waker = (*connreq.Waker)(nil)
