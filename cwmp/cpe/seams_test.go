// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// The answer to TransferComplete has to be that of TransferComplete.
func TestQuirk70StrictResponses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), reply(&cwmp.AutonomousTransferCompleteResponse{}))
		defer r.stop()
		r.client.Send(&cwmp.TransferComplete{}, cwmp.Event{Code: cwmp.EventTransferComplete})
		if s := r.sessions(1); !errors.Is(s.Err, cpe.ErrProtocol) {
			t.Errorf("got %v, want a protocol error", s.Err)
		}
		if got := r.client.Pending(); len(got) != 1 {
			t.Errorf("got %v pending, want the event: it was not delivered", got)
		}
	})
}

// Answers to the CPE's own requests are told, refusals too.
func TestAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dev, network := newDevice(), newPipes()
		got := make(chan cwmp.Response, 2)
		a := &acs{t: t, steps: []step{
			informed(), reply(&cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported}),
			reply(&cwmp.KickedResponse{NextURL: "u"}), done(),
		}}
		r := runRig(t, a, dev, network, cpe.Options{
			Device: dev, Dial: network.dial, Answered: func(_ cwmp.Request, resp cwmp.Response) { got <- resp },
		})
		defer r.stop()
		r.client.Defer(&cwmp.RequestDownload{})
		r.client.Send(&cwmp.Kicked{})
		r.sessions(1)
		if f, ok := (<-got).(*cwmp.Fault); !ok || f.Code != cwmp.FaultACSMethodNotSupported {
			t.Errorf("got %v for the request that was refused", f)
		}
		if k, ok := (<-got).(*cwmp.KickedResponse); !ok || k.NextURL != "u" {
			t.Errorf("got %v for Kicked", k)
		}
	})
}

// marker adds a header to everything that goes through it.
type marker struct{ next http.RoundTripper }

func (m marker) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Marker", "1")
	return m.next.RoundTrip(req)
}

func TestTransportIsWrapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dev, network := newDevice(), newPipes()
		r := runRig(t, &acs{t: t, steps: []step{informed(), done()}}, dev, network, cpe.Options{
			Device: dev, Dial: network.dial,
			Transport: func(next http.RoundTripper) http.RoundTripper { return marker{next} },
		})
		defer r.stop()
		r.client.Raise(boot...)
		r.sessions(1)
		for i, e := range r.acs.seen {
			if e.header.Get("X-Marker") != "1" {
				t.Errorf("exchange %d did not go through the wrapper", i)
			}
		}
	})
}

func TestListenerIsWrapped(t *testing.T) {
	t.Parallel()
	l, accepted := listener(t, cpe.ListenerOptions{Wrap: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}})
	resp := ask(t, http.MethodGet, l.URL(), "")
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot || accepted() != 0 {
		t.Errorf("got %d and %d requests, want 418 of the wrapper", resp.StatusCode, accepted())
	}
}
