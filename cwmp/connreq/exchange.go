// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
)

// maxAnswer bounds what is read of one answer of a CPE, in bytes.
const maxAnswer = 64 << 10

// exchange is the requests of one attempt, over one connection as long as the
// CPE keeps it.
type exchange struct {
	ctx    context.Context //nolint:containedctx // lives as long as one attempt
	client *Client
	url    *url.URL
	target *Target

	dialled int // connections so far
	conn    net.Conn
	stop    func() bool // of the watch that closes conn when ctx ends
}

// get makes one GET. A connection that turns out to be closed since the last is
// replaced [quirk 78].
func (x *exchange) get(authorization string) (int, http.Header, error) {
	reused := x.conn != nil
	code, h, err := x.once(authorization)
	if err != nil && reused && x.ctx.Err() == nil {
		x.close()
		code, h, err = x.once(authorization)
	}
	if err != nil {
		x.close()
		if errors.Is(err, ErrForbidden) || errors.Is(err, ErrAnswer) {
			return 0, nil, err
		}
		return 0, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return code, h, nil
}

func (x *exchange) once(authorization string) (int, http.Header, error) {
	if x.conn == nil {
		if err := x.dial(); err != nil {
			return 0, nil, err
		}
	}
	req := "GET " + x.url.RequestURI() + " HTTP/1.1\r\nHost: " + x.url.Host + "\r\nUser-Agent: uspgate\r\n"
	if authorization != "" {
		req += "Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(x.conn, req+"\r\n"); err != nil {
		return 0, nil, fmt.Errorf("write: %w", err)
	}
	limited := &io.LimitedReader{R: x.conn, N: maxAnswer}
	resp, err := http.ReadResponse(bufio.NewReader(limited), &http.Request{Method: http.MethodGet})
	if err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("%w: header too long", ErrAnswer)
		}
		return 0, nil, fmt.Errorf("read: %w", err)
	}
	// What the CPE says is in status and header. A body without a known end
	// would take until the CPE closes.
	keep := !resp.Close && resp.ContentLength >= 0 && resp.ContentLength < maxAnswer
	if keep {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	_ = resp.Body.Close()
	if !keep || err != nil {
		x.close()
	}
	return resp.StatusCode, resp.Header, nil
}

func (x *exchange) dial() error {
	d := net.Dialer{
		Timeout: x.client.opts.DialTimeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrForbidden, err)
			}
			return x.client.opts.Guard.Check(ap.Addr(), x.target.Source)
		},
	}
	port := x.url.Port()
	if port == "" {
		port = "80"
	}
	conn, err := d.DialContext(x.ctx, "tcp", net.JoinHostPort(x.url.Hostname(), port))
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	if t, ok := x.ctx.Deadline(); ok {
		_ = conn.SetDeadline(t) // shows in the next read
	}
	x.conn = conn
	x.dialled++
	x.stop = context.AfterFunc(x.ctx, func() { _ = conn.Close() })
	return nil
}

func (x *exchange) close() {
	if x.conn == nil {
		return
	}
	x.stop()
	_ = x.conn.Close()
	x.conn = nil
}
