// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// script is a Handler whose sessions follow a list of requests.
type script struct {
	openErr error
	refuse  func(acs.Info) error // as openErr, if not nil
	// next is what each session asks of the CPE.
	next []cwmp.Request
	// onOpen, onNext and onRequest run inside the calls if not nil.
	onOpen    func(ctx context.Context)
	onNext    func(ctx context.Context) error
	onRequest func(req cwmp.Request) (cwmp.Response, error)

	mu       sync.Mutex
	informs  []*cwmp.Inform
	infos    []acs.Info
	requests []cwmp.Request
	answers  []cwmp.Response
	closed   chan error // causes of Close, in order
	initOnce sync.Once
}

func (s *script) init() { s.initOnce.Do(func() { s.closed = make(chan error, 2000) }) }

func (s *script) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	s.init()
	if s.onOpen != nil {
		s.onOpen(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.informs = append(s.informs, in)
	s.infos = append(s.infos, info)
	if s.openErr != nil {
		return nil, s.openErr
	}
	if s.refuse != nil {
		if err := s.refuse(info); err != nil {
			return nil, err
		}
	}
	return &scripted{script: s, next: s.next}, nil
}

type scripted struct {
	script *script
	next   []cwmp.Request
	closed bool
}

func (s *scripted) Request(_ context.Context, req cwmp.Request) (cwmp.Response, error) {
	s.script.mu.Lock()
	s.script.requests = append(s.script.requests, req)
	s.script.mu.Unlock()
	if s.script.onRequest != nil {
		return s.script.onRequest(req)
	}
	return &cwmp.TransferCompleteResponse{}, nil
}

func (s *scripted) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	if last != nil {
		s.script.mu.Lock()
		s.script.answers = append(s.script.answers, last)
		s.script.mu.Unlock()
	}
	if s.script.onNext != nil {
		if err := s.script.onNext(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.next) == 0 {
		return nil, io.EOF
	}
	req := s.next[0]
	s.next = s.next[1:]
	return req, nil
}

var errTwice = errors.New("closed twice")

func (s *scripted) Close(cause error) {
	if s.closed {
		cause = errTwice
	}
	s.closed = true
	s.script.closed <- cause
}

// wantClosed waits for one Close and checks its cause.
func (s *script) wantClosed(t *testing.T, want error) {
	t.Helper()
	s.init()
	select {
	case got := <-s.closed:
		if !errors.Is(got, want) {
			t.Fatalf("Close: got cause %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("Close: not called, want cause %v", want)
	}
}

func (s *script) opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.informs)
}

// serve runs a Server on loopback, or on o.Listener, for the test.
func serve(t *testing.T, h *script, o acs.Options) *acs.Server {
	t.Helper()
	return serveAny(t, h, o)
}

// serveAny is serve with a Handler that is a script, and more.
func serveAny(t *testing.T, h interface {
	acs.Handler
	init()
}, o acs.Options,
) *acs.Server {
	t.Helper()
	h.init()
	o.Handler = h
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = time.Millisecond
	}
	s, err := acs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return s
}

// wantCount checks a counter with one label.
func wantCount(t *testing.T, reg prometheus.Gatherer, name, label string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				got = m.GetCounter().GetValue()
			}
		}
	}
	if got != want {
		t.Fatalf("%s %s: got %v, want %v", name, label, got, want)
	}
}

// cpe is a CPE that writes its bytes by hand.
type cpe struct {
	t      *testing.T
	dial   func() net.Conn
	c      net.Conn
	r      *bufio.Reader
	cookie string
	// header is added to every POST, each line with its CRLF.
	header string
	// patience is what all that comes over one connection may take; 0: the usual.
	patience time.Duration
}

func newCPE(t *testing.T, s *acs.Server) *cpe {
	t.Helper()
	p := &cpe{t: t, dial: func() net.Conn {
		c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}}
	t.Cleanup(func() {
		if p.c != nil {
			_ = p.c.Close()
		}
	})
	return p
}

func (p *cpe) connect() {
	if p.c == nil {
		p.c = p.dial()
		p.r = bufio.NewReader(p.c)
		_ = p.c.SetDeadline(time.Now().Add(cmp.Or(p.patience, patience)))
	}
}

// hangUp closes the connection; the next POST makes a new one.
func (p *cpe) hangUp() {
	_ = p.c.Close()
	p.c = nil
}

// answer is what came back.
type answer struct {
	t    *testing.T
	code int
	head http.Header
	body string
}

// raw sends bytes and reads one answer.
func (p *cpe) raw(b string) *answer {
	p.t.Helper()
	p.connect()
	if _, err := io.WriteString(p.c, b); err != nil {
		p.t.Fatal(err)
	}
	return p.read()
}

func (p *cpe) read() *answer {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(resp.TransferEncoding) > 0 {
		p.t.Fatalf("got Transfer-Encoding %v, want Content-Length [quirk 38]", resp.TransferEncoding)
	}
	if c := resp.Header.Get("Set-Cookie"); c != "" {
		p.cookie, _, _ = strings.Cut(c, ";")
	}
	if resp.Close {
		p.hangUp()
	}
	return &answer{t: p.t, code: resp.StatusCode, head: resp.Header, body: string(body)}
}

// post sends a body the way most CPE do; "" is an empty POST.
func (p *cpe) post(body string) *answer {
	p.t.Helper()
	return p.raw(p.text(body))
}

func (p *cpe) text(body string) string {
	h := "POST /acs HTTP/1.1\r\nHost: acs\r\n" + p.header
	if p.cookie != "" {
		h += "Cookie: " + p.cookie + "\r\n"
	}
	if body != "" {
		h += "SOAPAction: \r\nContent-Type: text/xml; charset=utf-8\r\n"
	}
	return h + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func (a *answer) want(code int) *answer {
	a.t.Helper()
	if a.code != code {
		a.t.Fatalf("got status %d %q, want %d", a.code, a.body, code)
	}
	return a
}

// envelope wants 200 with an envelope of that method.
func (a *answer) envelope(method string) *cwmp.Envelope {
	a.t.Helper()
	a.want(http.StatusOK)
	env, err := soap.DecodeBytes([]byte(a.body), a.head.Get("Content-Type"), soap.Limits{})
	if err != nil {
		a.t.Fatalf("answer does not decode: %v\n%s", err, a.body)
	}
	if env.Body == nil || env.Body.Method() != method {
		a.t.Fatalf("got %s, want %s", a.body, method)
	}
	return env
}

func (a *answer) fault(code int) {
	a.t.Helper()
	f, ok := a.envelope("Fault").Body.(*cwmp.Fault)
	if !ok || f.Code != code {
		a.t.Fatalf("got %s, want fault %d", a.body, code)
	}
}

// envelope writes an envelope by hand. id is empty for none.
func envelope(ns, id, header, body string) string {
	if id != "" {
		header = `<cwmp:ID s:mustUnderstand="1">` + id + `</cwmp:ID>` + header
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` +
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="` + ns +
		`" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"` +
		` xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"><s:Header>` + header + `</s:Header><s:Body>` + body +
		`</s:Body></s:Envelope>`
}

func message(id, body string) string { return envelope(cwmp.Namespace10, id, "", body) }

// informOf is an Inform's RPC element.
func informOf(serial, event, retry string) string {
	return `<cwmp:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>00256D</OUI>` +
		`<ProductClass>Box</ProductClass><SerialNumber>` + serial + `</SerialNumber></DeviceId>` +
		`<Event e:arrayType="cwmp:EventStruct[1]"><EventStruct><EventCode>` + event +
		`</EventCode><CommandKey></CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes>` +
		`<CurrentTime>2024-05-01T10:00:00Z</CurrentTime><RetryCount>` + retry + `</RetryCount>` +
		`<ParameterList e:arrayType="cwmp:ParameterValueStruct[1]"><ParameterValueStruct>` +
		`<Name>InternetGatewayDevice.ManagementServer.ParameterKey</Name><Value xsi:type="xsd:string">k</Value>` +
		`</ParameterValueStruct></ParameterList></cwmp:Inform>`
}

func inform(serial string) string { return message("i1", informOf(serial, "2 PERIODIC", "0")) }

const (
	getValues = `<cwmp:GetParameterValuesResponse><ParameterList e:arrayType="cwmp:ParameterValueStruct[0]"/>` +
		`</cwmp:GetParameterValuesResponse>`
	setValues = `<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>`
	complete  = `<cwmp:TransferComplete><CommandKey>k</CommandKey><FaultStruct><FaultCode>0</FaultCode>` +
		`<FaultString/></FaultStruct><StartTime>2024-05-01T10:00:00Z</StartTime>` +
		`<CompleteTime>2024-05-01T10:00:00Z</CompleteTime></cwmp:TransferComplete>`
	methodsOfACS = `<cwmp:GetRPCMethods/>`
	clientFault  = `<s:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>` +
		`<FaultCode>9005</FaultCode><FaultString>Invalid parameter name</FaultString></cwmp:Fault></detail></s:Fault>`
	unknownRequest = `<cwmp:X_00256D_Ping/>`
)

var getDevice = &cwmp.GetParameterValues{Names: []string{"InternetGatewayDevice."}}
