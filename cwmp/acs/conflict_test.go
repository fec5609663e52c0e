// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// findings are what a Server has found.
type findings struct {
	mu   sync.Mutex
	list []acs.Finding
}

func (f *findings) add(x acs.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, x)
}

func (f *findings) want(t *testing.T, kinds ...acs.FindingKind) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	for _, x := range f.list {
		got = append(got, x.Kind.String())
	}
	var want []string
	for _, k := range kinds {
		want = append(want, k.String())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got findings %q, want %q", got, want)
	}
}

// step is what a box does.
type step struct {
	box   string // its address, with @user and =MAC
	after time.Duration
	retry string
	// leave: the session is left open, and so is the connection.
	leave bool
	// goOn: no Inform, but a POST in the session that the box had left open.
	goOn bool
}

const mac = "InternetGatewayDevice.LANDevice.1.LANEthernetInterfaceConfig.1.MACAddress"

// Two boxes with one DeviceID are found, and a box that changes is none [quirk 27].
func TestQuirk27(t *testing.T) {
	minute := time.Minute
	for name, tc := range map[string]struct {
		steps []step
		want  int // step by which there is a conflict, from 1; 0: none
	}{
		"users alternate, sessions whole": {[]step{
			{box: "192.0.2.1@a"}, {box: "192.0.2.1@b", after: time.Hour}, {box: "192.0.2.1@a", after: 20 * time.Hour},
		}, 3},
		"MAC addresses alternate": {[]step{
			{box: "192.0.2.1=0A"}, {box: "192.0.2.2=0B", after: time.Hour}, {box: "192.0.2.1=0a", after: time.Hour},
		}, 3},
		"one goes on in a session that the other has replaced": {[]step{
			{box: "192.0.2.1", leave: true},
			{box: "2001:db8::2", leave: true, after: minute / 2},
			{box: "192.0.2.1", goOn: true, after: 2 * time.Second},
		}, 3},
		"they interrupt each other": {[]step{
			{box: "192.0.2.1", leave: true},
			{box: "192.0.2.2", leave: true},
			{box: "192.0.2.1", leave: true, retry: "1"},
			{box: "192.0.2.2", leave: true, retry: "1"},
			{box: "192.0.2.1", leave: true, retry: "2"},
			{box: "192.0.2.2", leave: true, retry: "2"},
		}, 6},
		"a new address, in the middle of a session": {[]step{
			{box: "192.0.2.1", leave: true},
			{box: "192.0.2.2", leave: true, after: 5 * time.Second},
			{box: "192.0.2.3", leave: true, after: 5 * time.Second},
			{box: "192.0.2.3"},
		}, 0},
		"an address that was had before": {[]step{
			{box: "192.0.2.1"},
			{box: "192.0.2.2", after: 24 * time.Hour},
			{box: "192.0.2.1", after: 24 * time.Hour},
			{box: "192.0.2.2", after: 24 * time.Hour},
		}, 0},
		"two WAN connections, in turn": {[]step{
			{box: "192.0.2.1"}, {box: "192.0.2.2"}, {box: "192.0.2.1"}, {box: "192.0.2.2"}, {box: "192.0.2.1"},
		}, 0},
		"a WAN that flaps, and the box tries again": {[]step{
			{box: "192.0.2.1", leave: true},
			{box: "192.0.2.2", leave: true, retry: "1"},
			{box: "192.0.2.1", leave: true, retry: "2"},
			{box: "192.0.2.2", leave: true, retry: "3"},
			{box: "192.0.2.1", leave: true, retry: "4"},
		}, 0},
		"a POST that was under way": {[]step{
			{box: "192.0.2.1", leave: true},
			{box: "192.0.2.2", leave: true},
			{box: "192.0.2.1", goOn: true, after: 500 * time.Millisecond},
		}, 0},
		"a new login": {[]step{
			{box: "192.0.2.1@a"}, {box: "192.0.2.1@b", after: time.Hour}, {box: "192.0.2.1@b", after: time.Hour},
		}, 0},
		"a MAC address that is not always told": {[]step{
			{box: "192.0.2.1=0A"},
			{box: "192.0.2.1", after: minute},
			{box: "192.0.2.1=0A", after: minute},
			{box: "192.0.2.1", after: minute},
			{box: "192.0.2.1=0A", after: minute},
		}, 0},
		"too long ago": {[]step{
			{box: "192.0.2.1@a"}, {box: "192.0.2.1@b", after: time.Hour}, {box: "192.0.2.1@a", after: 49 * time.Hour},
		}, 0},
	} {
		t.Run(name, func(t *testing.T) { conflicts(t, tc.steps, tc.want) })
	}
}

func conflicts(t *testing.T, steps []step, want int) {
	t.Helper()
	f := new(findings)
	h := &script{next: []cwmp.Request{getDevice}}
	o := acs.Options{Found: f.add}
	accounts, err := acs.NewAccounts([]acs.Account{{Password: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	o.Auth = newAccess(t, acs.AccessOptions{Plain: []acs.Scheme{acs.SchemeBasic}, Accounts: accounts})
	bubble(t, h, o, func(b bed) {
		t := b.T
		open := make(map[string]*cpe)
		for i, s := range steps {
			<-time.After(s.after)
			if s.goOn {
				open[s.box].post("").want(http.StatusBadRequest)
			} else {
				p := b.cpeAt(strings.FieldsFunc(s.box, func(r rune) bool { return r == '@' || r == '=' })[0])
				s.inform(p)
				open[s.box] = p
			}
			f.mu.Lock()
			found := len(f.list)
			f.mu.Unlock()
			if known := want > 0 && i+1 >= want; known != (found == 1) {
				t.Fatalf("after step %d: got %d findings, want %v", i+1, found, known)
			}
		}
		if want == 0 {
			return
		}
		f.want(t, acs.FoundConflict)
		c := f.list[0].Conflict
		if c == nil || f.list[0].Device.SerialNumber != "1" || c.Boxes[0] == c.Boxes[1] {
			t.Fatalf("got %+v, want the two boxes", f.list[0])
		}
		// Both are told from now on, until it is long ago.
		last := steps[len(steps)-1]
		last.retry, last.leave = "", false
		for _, wait := range []time.Duration{time.Second, 49 * time.Hour} {
			<-time.After(wait)
			last.inform(b.cpeAt(c.Boxes[1].Remote.Addr().String()))
			if got := h.infos[len(h.infos)-1].Conflict != nil; got != (wait == time.Second) {
				t.Fatalf("after %v: got conflict %v", wait, got)
			}
		}
	})
}

// inform has the box open a session, and end it unless it is to be left.
func (s step) inform(p *cpe) {
	p.t.Helper()
	user := "u"
	if _, u, ok := strings.Cut(s.box, "@"); ok {
		user = u
	}
	retry := "0"
	if s.retry != "" {
		retry = s.retry
	}
	body := message("1", informOf("1", "2 PERIODIC", retry))
	if _, value, ok := strings.Cut(s.box, "="); ok {
		body = strings.Replace(body, "InternetGatewayDevice.ManagementServer.ParameterKey", mac, 1)
		body = strings.Replace(body, ">k<", ">"+value+"<", 1)
	}
	p.header = "Authorization: " + basic(user, "p") + "\r\n"
	p.post(body).envelope("InformResponse")
	if s.leave {
		p.post("").envelope("GetParameterValues")
		return
	}
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, getValues)).want(http.StatusNoContent)
	p.hangUp()
}

// The owner refuses a device with a conflict; the Server does not mix the boxes up.
func TestConflictCanBeRefused(t *testing.T) {
	t.Parallel()
	h := &script{refuse: func(i acs.Info) error {
		if i.Conflict != nil {
			return &cwmp.Fault{Code: cwmp.FaultACSRequestDenied, Text: "Quarantined"}
		}
		return nil
	}}
	accounts, err := acs.NewAccounts([]acs.Account{{Password: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	a := newAccess(t, acs.AccessOptions{Plain: []acs.Scheme{acs.SchemeBasic}, Accounts: accounts})
	s := serve(t, h, acs.Options{Auth: a})
	for i, user := range []string{"a", "b", "a", "b"} {
		p := newCPE(t, s)
		p.header = "Authorization: " + basic(user, "p") + "\r\n"
		if i < 2 {
			p.post(inform("1")).envelope("InformResponse")
			p.post("").want(http.StatusNoContent)
		} else {
			p.post(inform("1")).fault(cwmp.FaultACSRequestDenied)
		}
	}
}

// Of more devices than are watched the oldest are forgotten.
func TestWatchIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, &script{}, acs.Options{MaxWatched: 3})
	p := newCPE(t, s)
	for serial := range strings.SplitSeq("1 2 3 4 5 6 7 8", " ") {
		p.post(inform(serial)).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
	}
	if n := acs.Watched(s); n != 3 {
		t.Fatalf("got %d devices, want 3", n)
	}
}
