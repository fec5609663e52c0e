// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
)

// http10 sends req as a client of HTTP/1.0 does that has never heard of
// keep-alive: a connection of its own, and no length of an empty body
// [quirk 34].
func (c *CPE) http10(req *http.Request, body []byte) (*http.Response, error) {
	dial := c.opts.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	address, secure := req.URL.Host, req.URL.Scheme == "https"
	if req.URL.Port() == "" {
		port := "80"
		if secure {
			port = "443"
		}
		address = net.JoinHostPort(req.URL.Hostname(), port)
	}
	conn, err := dial(req.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if secure {
		cfg := c.opts.TLS.Clone()
		if cfg == nil {
			cfg = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		cfg.ServerName = req.URL.Hostname()
		conn = tls.Client(conn, cfg)
	}
	if at, ok := req.Context().Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "POST %s HTTP/1.0\r\nHost: %s\r\n", req.URL.RequestURI(), req.URL.Host)
	if len(body) > 0 {
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(body))
	}
	if err := req.Header.Write(&out); err != nil {
		return nil, err
	}
	out.WriteString("\r\n")
	out.Write(body)
	if _, err := conn.Write(out.Bytes()); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return resp, nil
}
