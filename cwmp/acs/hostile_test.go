// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// hostile runs f beside a CPE that is in a session the whole time, and one that has
// a session afterwards. It checks that f was logged in so many lines, and that no
// memory is left in use.
func hostile(t *testing.T, o acs.Options, lines int, f func(b bed, p *cpe)) {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	o.Log = zap.New(core)
	o.Profile = func(in *cwmp.Inform) (p acs.Profile) {
		if in.DeviceID.SerialNumber == "good" { // it is silent meanwhile
			p.SessionTimeout = time.Hour
		}
		return p
	}
	h := &script{}
	bubble(t, h, o, func(b bed) {
		t := b.T
		good := b.cpeAt("192.0.2.1")
		good.post(inform("good")).envelope("InformResponse")
		f(b, b.cpeAt("198.51.100.6"))
		good.post(message("2", complete)).envelope("TransferCompleteResponse")
		good.post("").want(http.StatusNoContent)
		next := b.cpeAt("192.0.2.2")
		next.post(inform("next")).envelope("InformResponse")
		next.post("").want(http.StatusNoContent)
		synctest.Wait()
		if n := logs.Len(); n != lines {
			t.Errorf("got %d lines of log, want %d: %+v", n, lines, logs.All())
		}
		if n := acs.MemoryUsed(b.server); n != 0 {
			t.Errorf("got %d bytes still in use, want 0", n)
		}
	})
}

// pour writes what it can of endless, and returns the answer.
func pour(t *testing.T, p *cpe, head, piece string) (got *answer, poured int) {
	t.Helper()
	p.connect()
	var wg sync.WaitGroup
	c := p.c
	wg.Go(func() {
		if _, err := io.WriteString(c, head); err != nil {
			return
		}
		for {
			n, err := io.WriteString(c, piece)
			if poured += n; err != nil {
				return
			}
		}
	})
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	p.hangUp()
	wg.Wait()
	return &answer{t: t, code: resp.StatusCode, head: resp.Header}, poured
}

func TestHostileOneGigabyte(t *testing.T) {
	const chunk = "10000\r\n" // 64 KiB
	for name, header := range map[string]string{
		"announced": "Content-Length: 1073741824\r\n\r\n",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t, acs.Options{}, 1, func(b bed, p *cpe) {
				piece := strings.Repeat(" ", 64<<10)
				if name == "chunked" {
					piece = chunk + piece + "\r\n"
				}
				for range 3 { // within a second: one line
					a, poured := pour(b.T, p, "POST / HTTP/1.1\r\nHost: a\r\n"+header, piece)
					a.want(http.StatusRequestEntityTooLarge)
					if poured > 2<<20 {
						b.Fatalf("got %d bytes read, want little more than an Inform may have", poured)
					}
				}
			})
		})
	}
	t.Run("in a session", func(t *testing.T) {
		o := acs.Options{}
		o.Limits.MaxBytes = 4 << 20
		hostile(t, o, 2, func(b bed, p *cpe) { // the body, and the session that it has broken
			p.post(inform("1")).envelope("InformResponse")
			a, poured := pour(b.T, p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
				chunk+strings.Repeat(" ", 64<<10)+"\r\n")
			a.want(http.StatusRequestEntityTooLarge)
			if poured > 6<<20 {
				b.Fatalf("got %d bytes read, want little more than an envelope may have", poured)
			}
		})
	})
}

func TestHostileOneByteASecond(t *testing.T) {
	hostile(t, acs.Options{}, 1, func(b bed, p *cpe) {
		p.connect()
		c := p.c
		body := inform("1")
		var wg sync.WaitGroup
		defer wg.Wait()
		start := time.Now()
		wg.Go(func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n")
			for i := range body {
				<-time.After(time.Second)
				if _, err := io.WriteString(c, body[i:i+1]); err != nil {
					return
				}
			}
		})
		for range 3 {
			<-time.After(35 * time.Second)
			q := b.cpeAt("192.0.2.8")
			q.post(inform("another")).envelope("InformResponse")
			q.post("").want(http.StatusNoContent)
		}
		p.read().want(http.StatusRequestTimeout)
		if got := time.Since(start); got > 125*time.Second {
			b.Fatalf("got it after %v, want at most two minutes", got)
		}
	})
}

// A header that comes byte by byte ends with its time.
func TestHostileSlowHeader(t *testing.T) {
	hostile(t, acs.Options{}, 0, func(b bed, p *cpe) {
		p.connect()
		c := p.c
		var wg sync.WaitGroup
		defer wg.Wait()
		start := time.Now()
		wg.Go(func() {
			for range 1000 {
				if _, err := io.WriteString(c, "X"); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		})
		_, _ = p.r.ReadByte()
		if got := time.Since(start); got > 11*time.Second {
			b.Fatalf("got the connection closed after %v, want 10s", got)
		}
		p.hangUp()
	})
}

func TestHostileNesting(t *testing.T) {
	nested := strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000)
	for name, body := range map[string]string{
		"closed": nested, "open": strings.Repeat("<a>", 10_000), "in a Body": message("1", nested),
		"in an Inform": message("1", strings.Replace(informOf("1", "1 BOOT", "0"), "<Event ", nested+"<Event ", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t, acs.Options{}, 1, func(_ bed, p *cpe) {
				for range 5 {
					p.post(body).want(http.StatusBadRequest)
				}
			})
		})
	}
}

// A document that says what its entities are is not read at all; one that uses what
// nobody has said keeps the text [quirk 18].
func TestHostileEntities(t *testing.T) {
	plain := strings.TrimPrefix(inform("1"), `<?xml version="1.0" encoding="UTF-8"?>`)
	uses := strings.Replace(plain, ">Box<", ">&c;&d;<", 1)
	for name, entities := range map[string]string{
		"in entities": `<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">`,
		"of a file":   `<!ENTITY c SYSTEM "file:///etc/passwd">`,
		"of a server": `<!ENTITY % p SYSTEM "http://192.0.2.1/x.dtd"> %p;`,
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t, acs.Options{}, 1, func(_ bed, p *cpe) {
				for range 3 {
					p.post(`<?xml version="1.0"?><!DOCTYPE x [` + entities + `]>` + uses).want(http.StatusBadRequest)
				}
			})
		})
	}
	h := &script{}
	newCPE(t, serve(t, h, acs.Options{})).post(uses).envelope("InformResponse")
	if got := h.informs[0].DeviceID.ProductClass; got != "&c;&d;" {
		t.Fatalf("got ProductClass %q, want nothing replaced", got)
	}
}

func TestHostileCookies(t *testing.T) {
	t.Run("as a header may be", func(t *testing.T) {
		hostile(t, acs.Options{}, 0, func(_ bed, p *cpe) {
			p.header = "Cookie: " + strings.Repeat("a=b;", 3000) + "\r\n"
			p.post(inform("1")).envelope("InformResponse")
			p.post("").want(http.StatusNoContent)
		})
	})
	for name, header := range map[string]string{
		"10,000 cookies": "Cookie: " + strings.Repeat("a=b;", 10_000) + "\r\n",
		"10,000 headers": strings.Repeat("Cookie: uspgate=x\r\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t, acs.Options{}, 0, func(b bed, p *cpe) {
				a, poured := pour(b.T, p, "POST / HTTP/1.1\r\nHost: a\r\n", header)
				a.want(http.StatusRequestHeaderFieldsTooLarge)
				if poured > 512<<10 {
					b.Fatalf("got %d bytes read, want a header", poured)
				}
			})
		})
	}
}

// A bomb is cut off when it has unfolded to what a plain body may have, of a
// stranger and of a CPE in a session.
func TestHostileBombs(t *testing.T) {
	bomb := packed(t, toGzip, strings.Repeat(" ", 64<<20))
	twice := packed(t, toGzip, bomb)
	for name, body := range map[string]string{"once": bomb, "twice": twice} {
		t.Run(name, func(t *testing.T) {
			want := map[string]int{"once": http.StatusRequestEntityTooLarge, "twice": http.StatusBadRequest}[name]
			hostile(t, acs.Options{}, 1, func(b bed, p *cpe) {
				for range 3 {
					p.header = "Content-Encoding: gzip\r\n"
					a, _ := pour(b.T, p, p.text(body), "")
					a.want(want)
				}
			})
		})
	}
	t.Run("in a session", func(t *testing.T) {
		hostile(t, acs.Options{MaxInflatedBytes: 2 << 20}, 2, func(b bed, p *cpe) {
			p.post(inform("1")).envelope("InformResponse")
			p.header = "Content-Encoding: gzip\r\n"
			a, _ := pour(b.T, p, p.text(bomb), "")
			a.want(http.StatusRequestEntityTooLarge)
		})
	})
}

// A session that never ends is ended: by the number of requests, and by time.
func TestHostileEndlessSession(t *testing.T) {
	t.Run("requests", func(t *testing.T) {
		hostile(t, acs.Options{MaxCPERequests: 50}, 1, func(_ bed, p *cpe) {
			p.post(inform("1")).envelope("InformResponse")
			for range 50 {
				p.post(message("2", complete)).envelope("TransferCompleteResponse")
			}
			p.post(message("2", complete)).want(http.StatusServiceUnavailable)
		})
	})
	t.Run("time", func(t *testing.T) {
		h := &script{}
		bubble(t, h, acs.Options{MaxSessionTime: 2 * time.Hour}, func(b bed) {
			p := b.cpeAt("198.51.100.6")
			start := time.Now()
			p.post(inform("1")).envelope("InformResponse")
			for code := http.StatusOK; code != http.StatusServiceUnavailable; {
				<-time.After(50 * time.Second)
				code = p.post(message("2", methodsOfACS)).code
			}
			if got := time.Since(start); got < 2*time.Hour || got > 2*time.Hour+time.Minute {
				b.Fatalf("got the end after %v, want 2h", got)
			}
			h.wantClosed(b.T, acs.ErrEndless)
		})
	})
}
