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
	"testing"

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

// BenchmarkInformSession is one whole session: a new TCP connection, an Inform
// with 8 parameters, InformResponse, an empty POST, 204.
func BenchmarkInformSession(b *testing.B) {
	s, err := acs.New(acs.Options{Handler: nothing{}, Addr: "127.0.0.1:0", SessionRate: -1})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	body := inform8()
	first := []byte("POST /acs HTTP/1.1\r\nHost: acs:7547\r\nUser-Agent: bench\r\nSOAPAction: \r\n" +
		"Content-Type: text/xml; charset=utf-8\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	r := bufio.NewReader(nil)
	var d net.Dialer
	b.ReportAllocs()
	for b.Loop() {
		c, err := d.DialContext(ctx, "tcp", s.Addr())
		if err != nil {
			b.Fatal(err)
		}
		r.Reset(c)
		cookie := exchange(b, c, r, first, http.StatusOK)
		exchange(b, c, r, []byte("POST /acs HTTP/1.1\r\nHost: acs:7547\r\nUser-Agent: bench\r\nCookie: "+cookie+
			"\r\nContent-Length: 0\r\n\r\n"), http.StatusNoContent)
		_ = c.Close()
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// exchange costs the client side as little as can be.
func exchange(b *testing.B, c net.Conn, r *bufio.Reader, req []byte, want int) (cookie string) {
	b.Helper()
	if _, err := c.Write(req); err != nil {
		b.Fatal(err)
	}
	line, err := r.ReadSlice('\n')
	if err != nil || string(line[9:12]) != strconv.Itoa(want) {
		b.Fatalf("got %q, %v, want %d", line, err, want)
	}
	length := 0
	for len(line) > 2 {
		if line, err = r.ReadSlice('\n'); err != nil {
			b.Fatal(err)
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
		b.Fatal(err)
	}
	return cookie
}
