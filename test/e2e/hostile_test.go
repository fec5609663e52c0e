// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/test/harness"
)

// attack is what a hostile CPE does: it sends head, and then piece again and again
// until it is answered.
type attack struct {
	name        string
	head, piece string
	once        bool // head is all
	status      int  // of the answer
}

// attacks are those that one connection can make with one request.
func attacks(t *testing.T) []attack {
	t.Helper()
	const post = "POST / HTTP/1.1\r\nHost: acs\r\n"
	whole := func(body string, header ...string) string {
		return fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", post, strings.Join(header, ""), len(body), body)
	}
	deep := strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000)
	laughs := []string{`<!DOCTYPE x [<!ENTITY a "ha">`}
	for c := 'b'; c <= 'k'; c++ { // ten times as many each
		laughs = append(laughs, fmt.Sprintf(`<!ENTITY %c "%s">`, c, strings.Repeat(fmt.Sprintf("&%c;", c-1), 10)))
	}
	file := `<!DOCTYPE x [<!ENTITY k SYSTEM "file:///etc/hostname">`
	said := envelope + `<s:Body>&k;` + theEnd
	bomb := squeezed(t, 256<<20)
	const gz = "Content-Encoding: gzip\r\n"
	return []attack{
		{
			name: "1 GB", head: post + "Content-Length: 1073741824\r\n\r\n", piece: strings.Repeat(" ", 64<<10),
			status: http.StatusRequestEntityTooLarge,
		},
		{
			name: "1 GB in chunks", head: post + "Transfer-Encoding: chunked\r\n\r\n",
			piece: "10000\r\n" + strings.Repeat(" ", 64<<10) + "\r\n", status: http.StatusRequestEntityTooLarge,
		},
		{name: "10,000 elements", head: whole(envelope + `<s:Body>` + deep + theEnd), once: true, status: 400},
		{name: "entities in entities", head: whole(strings.Join(laughs, "") + `]>` + said), once: true, status: 400},
		{name: "an entity that is a file", head: whole(file + `]>` + said), once: true, status: 400},
		{
			name: "10,000 cookies", head: post + "Cookie: " + strings.Repeat("a=b; ", 10_000), piece: "a=b; ",
			status: http.StatusRequestHeaderFieldsTooLarge,
		},
		{
			name: "a gzip bomb", head: whole(bomb, gz), once: true,
			status: http.StatusRequestEntityTooLarge,
		},
	}
}

// squeezed are so many blanks, packed.
func squeezed(t *testing.T, blanks int) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	blank := bytes.Repeat([]byte{' '}, 1<<20)
	for range blanks >> 20 {
		if _, err := w.Write(blank); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// do makes the attack and returns the status of the answer.
func (a *attack) do(t *testing.T, gw *harness.Gateway) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", gw.Addr("cwmp"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(harness.Timeout))
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := io.WriteString(conn, a.head)
		for n := 0; err == nil && !a.once && n < 1<<30; n += len(a.piece) {
			_, err = io.WriteString(conn, a.piece)
		}
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_ = conn.Close()
	wg.Wait()
	return resp.StatusCode
}

// TestHostileCPE: whatever a CPE sends, others are served, memory stays what it is,
// and the log has a line a second about it. It runs alone: memory is that of the
// process.
func TestHostileCPE(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	gw := harness.StartLogged(t, "translate: {freshness: 0s}\n", zap.New(core))
	n := &neighbour{t, gw, gw.Controller(gw.WS(), "self::neighbour"), gw.CPE("tr098-dsl", nil)}
	n.fine()
	drip(t, gw, 50) // goes on through all of it
	_ = logs.TakeAll()
	start := time.Now()
	for _, a := range attacks(t) {
		t.Run(a.name, func(t *testing.T) {
			before := heap()
			for range 3 {
				if got := a.do(t, gw); got != a.status {
					t.Errorf("got %d, want %d", got, a.status)
				}
			}
			if got := heap() - before; got > 64<<20 {
				t.Errorf("got %d bytes more in use, want the bound of a body or so", got)
			}
			n.fine()
		})
	}
	lines := map[string]int{"body of a CPE not readable": 0, "malformed envelope from a CPE": 0}
	for _, l := range logs.FilterLoggerName("cwmp").All() {
		lines[l.Message]++
	}
	for text, n := range lines {
		if most := 1 + int(time.Since(start)/time.Second); n < 1 || n > most || len(lines) != 2 {
			t.Errorf("got %d lines of log %q, want one a second, %d, and no others", n, text, most)
		}
	}
}

// heap is what is in use, garbage included: as much as there was at most since the
// last collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// drip opens connections that send one byte a second of an Inform, until the test
// ends.
func drip(t *testing.T, gw *harness.Gateway, conns int) {
	t.Helper()
	body := informOf(t, "slow")
	over := make(chan struct{})
	var wg sync.WaitGroup
	for range conns {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", gw.Addr("cwmp"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer conn.Close()
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for i := range body {
				select {
				case <-tick.C:
				case <-over:
					return
				}
				if _, err := conn.Write(body[i : i+1]); err != nil {
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		close(over)
		wg.Wait()
	})
}

// TestEndlessCPE: a CPE that never comes to the end of its session is sent away after
// as many requests as one may have, and its log is two lines.
func TestEndlessCPE(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	gw := harness.StartLogged(t, "translate: {freshness: 0s}\n", zap.New(core))
	n := &neighbour{t, gw, gw.Controller(gw.WS(), "self::neighbour"), gw.CPE("tr098-dsl", nil)}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	_ = logs.TakeAll()
	d := &doorbell{t: t, url: gw.ACS()}
	resp := d.post(client, string(informOf(t, "endless")), "", "")
	cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	asks := envelope + `<s:Body><c:GetRPCMethods/>` + theEnd
	requests := 0
	for ; requests < 2000 && resp.StatusCode == http.StatusOK; requests++ {
		resp = d.post(client, asks, "", "", cookie)
		if requests == 500 {
			n.fine()
		}
	}
	if requests != 1001 || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d after %d requests, want 503 after 1,001", resp.StatusCode, requests)
	}
	n.fine()
	if got := logs.FilterLoggerName("cwmp").All(); len(got) != 1 {
		t.Errorf("got %d lines of log, want one: %v", len(got), got)
	}
}
