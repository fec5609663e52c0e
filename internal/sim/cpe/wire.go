// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// maxAnswer bounds an answer of the ACS that the wire reads, in bytes.
const maxAnswer = 32 << 20

// wire is the way to the ACS of a CPE with quirks: it changes requests before
// they are sent, and does not understand all answers. It is used by the
// goroutine of the session only.
type wire struct {
	c    *CPE
	q    *Quirks
	base http.RoundTripper

	login   login
	informs int      // Informs sent so far
	lastID  string   // of the request before the last [quirk 5]
	cookies []string // of the session before [quirk 31]
	fresh   []string // of this session
	words   bool     // the last NextLevel was true or false
}

// message is one POST on its way.
type message struct {
	body   []byte // as cwmp/cpe wrote it
	inform bool
	answer bool // a response or a fault
}

var errNotUnderstood = errors.New("sim/cpe: the answer is not understood")

// RoundTrip sends what the quirks make of req.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	var m message
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		m.body = b
	}
	m.inform = bytes.Contains(m.body, []byte("<cwmp:Inform>"))
	m.answer = bytes.Contains(m.body, []byte("Response>")) || bytes.Contains(m.body, []byte("<soap-env:Fault>"))
	if m.inform {
		w.informs++
		w.cookies, w.fresh = w.fresh, nil
	}
	first := req
	if m.inform && w.q.InformsAnew {
		first = req.Clone(req.Context())
		first.Close = true
	}
	resp, err := w.attempt(first, m)
	if err == nil && m.inform && resp.StatusCode == http.StatusOK && (w.q.RepeatsInform || w.q.InformsAnew) {
		drop(resp)
		resp, err = w.attempt(req, m)
	}
	if err == nil && w.q.FinalHandshake && !m.inform && isEmpty(resp) {
		resp, err = w.handshake(req)
	}
	return resp, err
}

// attempt sends one POST and checks the answer.
func (w *wire) attempt(req *http.Request, m message) (*http.Response, error) {
	out := req.Clone(req.Context())
	body := w.text(m)
	w.target(out)
	w.cookie(out, m)
	w.headers(out, len(body) > 0)
	w.login.answer(out, w.c)
	if w.q.GzipUnasked && len(body) > 0 {
		body = compress(body)
		out.Header.Set("Content-Encoding", "gzip")
	}
	out.Body, out.GetBody, out.ContentLength = io.NopCloser(bytes.NewReader(body)), nil, int64(len(body))
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	out.Close = out.Close || w.q.NewConnections || w.q.DropsAfter401 && out.Header.Get("Authorization") == ""
	var resp *http.Response
	var err error
	if w.q.HTTP10 {
		resp, err = w.c.http10(out, body)
	} else {
		resp, err = w.base.RoundTrip(out)
	}
	if err != nil {
		return nil, err
	}
	if err := w.check(resp, m); err != nil {
		drop(resp)
		return nil, err
	}
	return resp, nil
}

// handshake is the empty POST after the end, which wants to be answered.
func (w *wire) handshake(req *http.Request) (*http.Response, error) {
	resp, err := w.attempt(req, message{})
	if err == nil && !isEmpty(resp) {
		drop(resp)
		return nil, fmt.Errorf("%w: the end of the session was not answered", errNotUnderstood)
	}
	return resp, err
}

// target changes where to POST.
func (w *wire) target(out *http.Request) {
	if w.q.PostsToRoot {
		u := *out.URL
		u.Path, u.RawPath, u.RawQuery = "/", "", ""
		out.URL = &u
	}
	if w.q.AbsoluteURI {
		u := *out.URL
		u.Opaque = "//" + u.Host + u.EscapedPath() // the query follows
		out.URL = &u
	}
}

// headers changes what is said about the body.
func (w *wire) headers(out *http.Request, body bool) {
	switch {
	case w.q.HTMLContent:
		out.Header.Set("Content-Type", "text/html")
	case w.q.NoContentType:
		out.Header.Del("Content-Type")
	case w.q.Latin1 && body:
		out.Header.Set("Content-Type", "text/xml; charset=ISO-8859-1")
	}
	if w.q.ExpectContinue && body {
		out.Header.Set("Expect", "100-continue")
	}
}

// cookie changes what is sent back of the ACS's cookies.
func (w *wire) cookie(out *http.Request, m message) {
	switch {
	case w.q.NoCookies:
		out.Header.Del("Cookie")
	case w.q.OldCookies:
		if have := out.Header.Get("Cookie"); have != "" {
			name, value, _ := strings.Cut(have, "=")
			out.Header.Set("Cookie", `$Version="0"; `+name+`="`+value+`";$Path=/`)
		}
	case w.q.StaleCookies || w.q.KeepsSession && m.inform:
		list := []string{"lang=en", "id=1234"}
		if m.inform {
			list = append(list, w.cookies...)
		}
		if have := out.Header.Get("Cookie"); have != "" {
			list = append(list, have)
		}
		out.Header.Set("Cookie", strings.Join(list, "; "))
	}
}

// check reads an answer as the CPE does.
func (w *wire) check(resp *http.Response, m message) error {
	if w.q.NoChunked && len(resp.TransferEncoding) > 0 {
		return fmt.Errorf("%w: it is chunked", errNotUnderstood)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	w.login.challenged(resp)
	w.keepCookies(resp)
	if bytes.Contains(b, []byte("<NextLevel>")) {
		w.words = bytes.Contains(b, []byte("<NextLevel>true")) || bytes.Contains(b, []byte("<NextLevel>false"))
	}
	wrongID := w.q.LongID && resp.StatusCode == http.StatusOK && !bytes.Contains(b, []byte(">"+longID))
	if wrongID && !m.answer && len(m.body) > 0 {
		return fmt.Errorf("%w: it has another ID", errNotUnderstood)
	}
	return w.checkEnd(resp, len(b) == 0)
}

// checkEnd is check for what the ACS says without words.
func (w *wire) checkEnd(resp *http.Response, empty bool) error {
	ok := resp.StatusCode == http.StatusOK
	switch {
	case w.q.No204 && resp.StatusCode == http.StatusNoContent:
		return fmt.Errorf("%w: 204", errNotUnderstood)
	case w.q.Only204 && ok && empty:
		return fmt.Errorf("%w: an empty 200", errNotUnderstood)
	case w.q.NeedsSOAPServer && ok && resp.Header.Get("SOAPServer") == "":
		return fmt.Errorf("%w: no SOAPServer", errNotUnderstood)
	case w.q.InformsForEver && resp.StatusCode == http.StatusNoContent:
		return fmt.Errorf("%w: 204", errNotUnderstood)
	case w.q.InformsForEver && ok:
		for name := range resp.Header {
			switch name {
			case "Content-Type", "Content-Length", "Set-Cookie", "Connection":
			default:
				return fmt.Errorf("%w: header %s", errNotUnderstood, name)
			}
		}
	}
	return nil
}

// keepCookies notes the cookies of the session, and drops those that the CPE
// does not understand.
func (w *wire) keepCookies(resp *http.Response) {
	var kept []string
	for _, line := range resp.Header.Values("Set-Cookie") {
		pair, rest, _ := strings.Cut(line, ";")
		w.fresh = append(w.fresh, pair)
		if !w.q.CookieByPath || strings.Contains(strings.ToLower(rest), "path=/") {
			kept = append(kept, line)
		}
	}
	if w.fresh = w.fresh[max(0, len(w.fresh)-4):]; w.q.CookieByPath {
		resp.Header.Del("Set-Cookie")
		for _, line := range kept {
			resp.Header.Add("Set-Cookie", line)
		}
	}
}

func isEmpty(resp *http.Response) bool {
	return resp.ContentLength == 0 && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent)
}

func drop(resp *http.Response) { _ = resp.Body.Close() }

func compress(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // to memory
	_ = z.Close()
	return out.Bytes()
}

// namespace is that of the envelopes.
func (q *Quirks) namespace(other string) string {
	switch {
	case q.Namespace13:
		return "urn:dslforum-org:cwmp-1-3"
	case q.Namespace14:
		return "urn:dslforum-org:cwmp-1-4"
	case q.NamespaceUnknown:
		return "urn:dslforum-org:cwmp-2-7"
	case q.SessionTimeout10:
		return cwmp.Namespace10
	default:
		return other
	}
}
