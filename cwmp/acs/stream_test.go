// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// valuesOf is an answer with n parameters.
func valuesOf(id string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `<ParameterValueStruct><Name>InternetGatewayDevice.LANDevice.1.Hosts.Host.%d.IPAddress</Name>`+
			`<Value xsi:type="xsd:string">192.168.1.%d</Value></ParameterValueStruct>`, i+1, i%256)
	}
	return message(id, `<cwmp:GetParameterValuesResponse><ParameterList>`+b.String()+
		`</ParameterList></cwmp:GetParameterValuesResponse>`)
}

// asking is a session whose CPE owes the answer to a GetParameterValues.
func asking(t *testing.T, o acs.Options) (h *script, p *cpe, id string) {
	t.Helper()
	h = &script{next: []cwmp.Request{&cwmp.GetParameterValues{Names: []string{"InternetGatewayDevice."}}}}
	p = newCPE(t, serve(t, h, o))
	p.post(inform("1")).envelope("InformResponse")
	return h, p, p.post("").envelope("GetParameterValues").ID
}

func (s *script) wantValues(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) != 1 {
		t.Fatalf("got %d answers, want 1", len(s.answers))
	}
	resp, ok := s.answers[0].(*cwmp.GetParameterValuesResponse)
	if !ok || len(resp.Params) != n {
		t.Fatalf("got %T with another number of parameters than %d", s.answers[0], n)
	}
	last := resp.Params[n-1]
	want := fmt.Sprintf("InternetGatewayDevice.LANDevice.1.Hosts.Host.%d.IPAddress", n)
	if last.Name != want || last.Value != fmt.Sprintf("192.168.1.%d", (n-1)%256) {
		t.Errorf("got %v last, want %s", last, want)
	}
}

// Large answers [quirk 52] come whole, however they are sent, and the connection can be
// used again, also where something follows the Envelope.
func TestQuirk52LargeAnswers(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for name, send := range map[string]func(p *cpe, body string) *answer{
		"with its length": func(p *cpe, body string) *answer { return p.post(body) },
		"in chunks": func(p *cpe, body string) *answer {
			var b strings.Builder
			for len(body) > 0 {
				piece := body[:min(len(body), 5000)]
				body = body[len(piece):]
				fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
			}
			return p.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b.String() + "0\r\n\r\n")
		},
		"compressed": func(p *cpe, body string) *answer {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write([]byte(body)) // a Buffer takes it
			_ = z.Close()
			return p.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: " +
				strconv.Itoa(b.Len()) + "\r\n\r\n" + b.String())
		},
		"with trailing blanks": func(p *cpe, body string) *answer { return p.post(body + strings.Repeat("\n", 300_000)) },
		"behind blanks":        func(p *cpe, body string) *answer { return p.post(strings.Repeat("\r\n", 100_000) + body) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, p, id := asking(t, acs.Options{})
			send(p, valuesOf(id, n)).want(http.StatusNoContent)
			h.wantValues(t, n)
			h.wantClosed(t, nil)
			p.post(inform("1")).envelope("InformResponse") // on the same connection
		})
	}
}

// A large answer that is cut, or not XML any more, breaks its session, and none of it
// counts.
func TestLargeAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	whole := valuesOf("1", 5_000)
	for name, body := range map[string]string{
		"cut":     whole[:len(whole)-200],
		"garbage": whole[:len(whole)/2] + "</ParameterList>" + whole[len(whole)/2:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, p, _ := asking(t, acs.Options{})
			p.post(body).want(http.StatusBadRequest)
			h.wantClosed(t, acs.ErrProtocol)
			if len(h.answers) > 0 {
				t.Errorf("got %d answers, want none", len(h.answers))
			}
		})
	}
}

// What is sent has the style that the CPE wants [quirk 49, quirk 60].
func TestQuirk60StyleOfAProfile(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{&cwmp.GetParameterNames{Path: "Device.", NextLevel: true}}}
	p := newCPE(t, serve(t, h, profiled(acs.Profile{Style: soap.Style{Booleans: soap.BooleansWords}})))
	p.post(inform("1")).envelope("InformResponse")
	if got := p.post("").body; !strings.Contains(got, "<NextLevel>true</NextLevel>") {
		t.Errorf("got %s, want <NextLevel>true</NextLevel>", got)
	}
}
