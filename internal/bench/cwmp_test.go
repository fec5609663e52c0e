// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/internal/bench"
)

// fakeACS answers sessions, but for the first POSTs, which get the statuses of refuse,
// and notes what each CPE has said.
type fakeACS struct {
	mu     sync.Mutex
	refuse []int
	said   map[string]string // by serial number
}

func (f *fakeACS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case len(f.refuse) > 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(f.refuse[0])
		f.refuse = f.refuse[1:]
	case len(body) == 0 && r.Header.Get("Cookie") == "s=1":
		w.WriteHeader(http.StatusNoContent)
	default:
		env, err := soap.DecodeBytes(body, "text/xml", soap.Limits{})
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in, _ := env.Body.(*cwmp.Inform)
		f.said[in.DeviceID.SerialNumber] = in.Params[0].Value
		w.Header().Set("Set-Cookie", "s=1; Path=/")
		_, _ = io.WriteString(w, "answer") // the test sees what is missing
	}
}

func sessions(t *testing.T, refuse ...int) (*bench.Sessions, *fakeACS) {
	t.Helper()
	acs := &fakeACS{refuse: refuse, said: make(map[string]string)}
	srv := httptest.NewServer(acs)
	t.Cleanup(srv.Close)
	return &bench.Sessions{Address: strings.TrimPrefix(srv.URL, "http://"), Inform: &cwmp.Inform{
		DeviceID: cwmp.DeviceID{OUI: "00D09E", SerialNumber: bench.SerialField},
		Events:   []cwmp.Event{{Code: cwmp.EventPeriodic}}, MaxEnvelopes: 1,
		Params: []cwmp.ParameterValue{{Name: "Device.X", Value: bench.ChangeField, Type: cwmp.TypeString}},
	}}, acs
}

// Each CPE has its turn, with a number of its own and, where that is wanted, something
// new to say.
func TestSessions(t *testing.T) {
	t.Parallel()
	l, acs := sessions(t)
	r, err := l.Run(t.Context(), bench.Round{First: 2, Count: 6, Devices: 4, Change: 10, Step: 1})
	if err != nil || r.Sessions != 6 || len(acs.said) != 4 {
		t.Fatalf("got %+v, %v, and %v, want 6 sessions of 4 CPE", r, err, acs.said)
	}
	if got := acs.said[bench.Field(1)]; got != bench.Field(13) {
		t.Errorf("got %s of CPE 1, want %s", got, bench.Field(13))
	}
	var status *bench.StatusError
	l, _ = sessions(t, http.StatusUnauthorized)
	if _, err := l.Run(t.Context(), bench.Round{Count: 1}); !errors.As(err, &status) || status.Status != 401 {
		t.Errorf("got %v, want the status", err)
	}
}

// In a storm who gets 503 comes again when it was told to; any other answer is a fault.
func TestStorm(t *testing.T) {
	t.Parallel()
	l, acs := sessions(t, http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusBadRequest)
	r, err := l.Storm(t.Context(), bench.Storm{Count: 5, Within: 20 * time.Millisecond})
	if err != nil || r.Served != 4 || r.Refused != 2 || r.Faulted != 1 || r.Reason == nil || r.Last < time.Second {
		t.Errorf("got %+v, %v, want 4 served, 2 of them a second later, and 1 faulted", r, err)
	}
	if len(acs.said) != 4 {
		t.Errorf("got %v, want 4 CPE", acs.said)
	}
}
