// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// nothing is a Handler that asks nothing.
type nothing struct{}

func (nothing) Open(context.Context, *cwmp.Inform, acs.Info) (acs.Session, error) {
	return nothing{}, nil
}

func (nothing) Request(context.Context, cwmp.Request) (cwmp.Response, error) {
	return &cwmp.TransferCompleteResponse{}, nil
}
func (nothing) Next(context.Context, cwmp.Response) (cwmp.Request, error) { return nil, io.EOF }
func (nothing) Close(error)                                               {}

// inform8 is an Inform with the eight forced parameters of TR-098.
func inform8() string {
	var b strings.Builder
	for _, n := range []string{
		"DeviceSummary", "DeviceInfo.SpecVersion", "DeviceInfo.HardwareVersion",
		"DeviceInfo.SoftwareVersion", "DeviceInfo.ProvisioningCode", "ManagementServer.ConnectionRequestURL",
		"ManagementServer.ParameterKey", "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress",
	} {
		b.WriteString("<ParameterValueStruct><Name>InternetGatewayDevice." + n +
			"</Name><Value xsi:type=\"xsd:string\">some value of it</Value></ParameterValueStruct>\n")
	}
	rpc := informOf("000001", "2 PERIODIC", "0")
	i, j := strings.Index(rpc, "<ParameterList"), strings.Index(rpc, "</ParameterList>")
	rpc = rpc[:i] + `<ParameterList e:arrayType="cwmp:ParameterValueStruct[8]">` + b.String() + rpc[j:]
	return message("1", rpc)
}

// client drives whole sessions: a new TCP connection, an Inform with 8 parameters,
// its answer, an empty POST, 204. It costs as little as can be.
type client struct {
	addr  string
	first []byte
	r     *bufio.Reader
}

func newClient(addr string) *client {
	body := inform8()
	return &client{addr: addr, r: bufio.NewReader(nil), first: []byte(
		"POST /acs HTTP/1.1\r\nHost: acs:7547\r\nUser-Agent: bench\r\nSOAPAction: \r\n" +
			"Content-Type: text/xml; charset=utf-8\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
}

func (cl *client) session(tb testing.TB) {
	tb.Helper()
	var d net.Dialer
	c, err := d.DialContext(tb.Context(), "tcp", cl.addr)
	if err != nil {
		tb.Fatal(err)
	}
	cl.r.Reset(c)
	cookie := exchange(tb, c, cl.r, cl.first, http.StatusOK)
	exchange(tb, c, cl.r, []byte("POST /acs HTTP/1.1\r\nHost: acs:7547\r\nUser-Agent: bench\r\nCookie: "+cookie+
		"\r\nContent-Length: 0\r\n\r\n"), http.StatusNoContent)
	_ = c.Close()
}

// serveNothing runs a Server whose Handler asks nothing.
func serveNothing(tb testing.TB) (addr string, stop func()) {
	tb.Helper()
	s, err := acs.New(acs.Options{Handler: nothing{}, Addr: "127.0.0.1:0", SessionRate: -1})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Listen(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s.Addr(), func() {
		cancel()
		if err := <-done; err != nil {
			tb.Fatal(err)
		}
	}
}

// serveBare runs a net/http server that answers as much, and knows nothing.
func serveBare(tb testing.TB) (addr string, stop func()) {
	tb.Helper()
	ln, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	answer := strings.Repeat("x", 500)
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if n, _ := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)); n == 0 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			w.Header().Set("Set-Cookie", "uspgate=AAAABBBBCCCCDDDDEEEEFFFFGG; Path=/")
			_, _ = io.WriteString(w, answer)
		})}
	done := make(chan struct{})
	go func() {
		_ = srv.Serve(ln)
		close(done)
	}()
	return ln.Addr().String(), func() {
		_ = srv.Close()
		<-done
	}
}

// cpu is what the process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkInformSession has whole sessions with the Server, and beside it as many
// with a bare net/http server. cpu-µs/op includes that of the client.
func BenchmarkInformSession(b *testing.B) {
	for name, start := range map[string]func(testing.TB) (string, func()){"acs": serveNothing, "bare": serveBare} {
		b.Run(name, func(b *testing.B) {
			addr, stop := start(b)
			cl := newClient(addr)
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				cl.session(b)
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			stop()
		})
	}
}

// A session allocates little more than net/http does for its two POSTs. Not
// parallel: what others allocate would count.
func TestSessionAllocs(t *testing.T) {
	allocs := func(start func(testing.TB) (string, func())) float64 {
		addr, stop := start(t)
		defer stop()
		cl := newClient(addr)
		return testing.AllocsPerRun(300, func() { cl.session(t) })
	}
	bare, ours := allocs(serveBare), allocs(serveNothing)
	if ours-bare > sessionAllocs {
		t.Fatalf("got %.0f allocations, and %.0f of a bare server, want at most %d more", ours, bare, sessionAllocs)
	}
}

// sessionAllocs is the budget of TestSessionAllocs.
const sessionAllocs = 60

// exchange costs the client side as little as can be.
func exchange(tb testing.TB, c net.Conn, r *bufio.Reader, req []byte, want int) (cookie string) {
	tb.Helper()
	if _, err := c.Write(req); err != nil {
		tb.Fatal(err)
	}
	line, err := r.ReadSlice('\n')
	if err != nil || string(line[9:12]) != strconv.Itoa(want) {
		tb.Fatalf("got %q, %v, want %d", line, err, want)
	}
	length := 0
	for len(line) > 2 {
		if line, err = r.ReadSlice('\n'); err != nil {
			tb.Fatal(err)
		}
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
		switch name {
		case "Set-Cookie":
			cookie, _, _ = strings.Cut(value, ";")
		case "Content-Length":
			length, _ = strconv.Atoi(value)
		}
	}
	if _, err := r.Discard(length); err != nil {
		tb.Fatal(err)
	}
	return cookie
}
