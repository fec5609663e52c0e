// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// The forms in which a cookie comes back.
func TestQuirk30(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, form string }{
		{"as sent", "uspgate=ID"},
		{"RFC 2965", `$Version="0"; uspgate=ID;$Path=/`},
		{"RFC 2965 quoted", `$Version=1; uspgate="ID"; $Path="/"`},
		{"commas", `$Version="0", uspgate=ID, $Path=/`},
		{"blanks", " uspgate = ID ;"},
		{"among others", "JSESSIONID=1; uspgate=ID; a=b"},
		{"after a stale one", "uspgate=STALE; uspgate=ID"},
		{"name in capitals", "USPGATE=ID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := &script{}
			p := newCPE(t, serve(t, h, acs.Options{}))
			p.post(inform("1")).envelope("InformResponse")
			p.hangUp() // so that the cookie is all there is
			p.cookie = strings.ReplaceAll(tc.form, "ID", strings.TrimPrefix(p.cookie, "uspgate="))
			p.post("").want(http.StatusNoContent)
			h.wantClosed(t, nil)
		})
	}
}

func TestQuirk28OnOneConnection(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.cookie = ""
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

func TestNeitherCookieNorConnection(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.hangUp()
	p.cookie = ""
	p.post("").want(http.StatusBadRequest)
}

// A cookie of another day does no harm to an Inform.
func TestQuirk31(t *testing.T) {
	t.Parallel()
	h := &script{}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.cookie = "uspgate=ofanotherday"
	p.post(inform("1")).envelope("InformResponse")
	if p.cookie == "uspgate=ofanotherday" {
		t.Fatal("got no new cookie, want one")
	}
	p.post("").want(http.StatusNoContent)
}

// A CPE that never takes a new cookie is known by its connection.
func TestQuirk83(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	first := p.cookie
	p.post(message("i2", informOf("1", "1 BOOT", "0"))).envelope("InformResponse")
	h.wantClosed(t, acs.ErrReplaced)
	p.cookie = first
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

// An answer has a Content-Length, however large it is.
func TestQuirk38(t *testing.T) {
	t.Parallel()
	get := &cwmp.GetParameterValues{}
	for i := range 2000 {
		get.Names = append(get.Names, "InternetGatewayDevice.X."+strconv.Itoa(i)+".Name")
	}
	p := newCPE(t, serve(t, &script{next: []cwmp.Request{get}}, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	a := p.post("")
	a.envelope("GetParameterValues")
	if n, err := strconv.Atoi(a.head.Get("Content-Length")); err != nil || n < 64<<10 || n != len(a.body) {
		t.Fatalf("got Content-Length %q of %d bytes, want it right", a.head.Get("Content-Length"), len(a.body))
	}
}

func TestQuirk39(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.hangUp()
	id := p.post("").envelope("GetParameterValues").ID
	p.hangUp()
	p.post(message(id, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

func TestQuirk34(t *testing.T) {
	t.Parallel()
	h := &script{}
	p := newCPE(t, serve(t, h, acs.Options{}))
	body := inform("1")
	a := p.raw("POST / HTTP/1.0\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	a.envelope("InformResponse")
	if p.c != nil {
		t.Fatal("got a connection that stays, want it closed")
	}
	// No Content-Length on the empty POST [quirk 34].
	p.raw("POST / HTTP/1.0\r\nCookie: " + p.cookie + "\r\n\r\n").want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

func TestQuirk42(t *testing.T) {
	t.Parallel()
	h := &script{}
	s := serve(t, h, acs.Options{})
	for _, m := range []string{"GET", "PUT", "HEAD", "OPTIONS"} {
		p := newCPE(t, s)
		p.connect()
		if _, err := io.WriteString(p.c, m+" / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if a := p.read().want(http.StatusMethodNotAllowed); a.head.Get("Allow") != "POST" {
			t.Fatalf("%s: got Allow %q, want POST", m, a.head.Get("Allow"))
		}
	}
	for _, path := range []string{"/", "/a/b?c=d", "http://acs.example:7547/x", "//"} { // [quirk 42]
		p := newCPE(t, s)
		body := inform(path)
		p.raw("POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body).
			envelope("InformResponse")
	}
}

// Headers as CPE send them [quirks 32, 33, 45].
func TestQuirk32(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"empty Content-Type":  "Content-Type: \r\n",
		"html":                "Content-Type: text/html\r\n",
		"quoted SOAPAction":   "SOAPAction: \"\"\r\n",
		"empty Basic unasked": "Authorization: Basic Og==\r\n",
		"identity":            "Content-Encoding: identity\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, &script{}, acs.Options{}))
			for _, body := range []string{inform("1"), ""} {
				h := "POST / HTTP/1.1\r\nHost: a\r\n" + header + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
				a := p.raw(h + body)
				if body == "" {
					a.want(http.StatusNoContent)
				} else {
					a.envelope("InformResponse")
				}
			}
		})
	}
}

func TestChunkedRequest(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{}))
	body := inform("1")
	p.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n").envelope("InformResponse")
	p.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").want(http.StatusNoContent)
}

// A body of blanks is an empty one; what follows the envelope is ignored.
func TestBlankAndTrailingBytes(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{}))
	p.post("\r\n" + inform("1") + "\r\n\x00\x00").envelope("InformResponse")
	p.post(" \r\n").want(http.StatusNoContent)
}

func TestEnvelopeWithAnEmptyBodyIsAnEmptyPost(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post(message("1", "")).want(http.StatusNoContent)
}

// libcurl waits for 100 before it sends the body; the 401 comes after it.
func TestQuirk33(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: newBasic(t, acs.AccessOptions{})}))
	body := inform("1")
	head := "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	p.raw(head + "\r\n").want(http.StatusContinue)
	p.raw(body).want(http.StatusUnauthorized)
	p.raw(head + "Authorization: Basic Y3BlOnNlY3JldA==\r\n\r\n").want(http.StatusContinue)
	p.raw(body).envelope("InformResponse")
}

// A probe that connects and leaves is no event.
func TestProbeConnection(t *testing.T) {
	t.Parallel()
	h := &script{}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.connect()
	p.hangUp()
	p.post(inform("1")).envelope("InformResponse")
	p.post("").want(http.StatusNoContent)
}

func packed(t *testing.T, f func(io.Writer) io.WriteCloser, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := f(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func toGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func toZlib(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func toFlate(w io.Writer) io.WriteCloser {
	f, _ := flate.NewWriter(w, flate.BestSpeed)
	return f
}

func TestQuirk47(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, encoding string
		pack           func(io.Writer) io.WriteCloser
	}{
		{"gzip", "gzip", toGzip},
		{"x-gzip", "X-GZIP", toGzip},
		{"zlib", "deflate", toZlib},
		{"bare deflate", "deflate", toFlate},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, &script{}, acs.Options{}))
			p.header = "Content-Encoding: " + tc.encoding + "\r\n"
			a := p.post(packed(t, tc.pack, inform("1")))
			a.envelope("InformResponse")
			if e := a.head.Get("Content-Encoding"); e != "" {
				t.Fatalf("got Content-Encoding %q, want a plain answer", e)
			}
			p.post("").want(http.StatusNoContent)
		})
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{}))
		p.header = "Content-Encoding: br\r\n"
		p.post(inform("1")).want(http.StatusUnsupportedMediaType)
	})
	t.Run("corrupt", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{}))
		p.header = "Content-Encoding: gzip\r\n"
		p.post(packed(t, toGzip, inform("1"))[:40]).want(http.StatusBadRequest)
	})
	t.Run("bomb", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{MaxInflatedBytes: 1 << 20}))
		p.header = "Content-Encoding: gzip\r\n"
		p.post(packed(t, toGzip, strings.Repeat(" ", 1<<20+1))).want(http.StatusRequestEntityTooLarge)
	})
}
