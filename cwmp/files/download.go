// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// download answers GET and HEAD.
func (x *exchange) download() {
	if err := x.authorize(); err != nil {
		x.abandonBody()
		x.challenge(err)
		return
	}
	t := x.newTransfer(download)
	if !x.admit(t) {
		return
	}
	content, done, err := x.job.content()
	if err != nil {
		t.started()
		status := http.StatusInternalServerError
		if errors.Is(err, ErrChanged) {
			status = http.StatusNotFound
		}
		x.answer(status)
		t.over(true, err, nil)
		return
	}
	defer done()
	src := &source{content: content, size: x.job.size}
	out := &sender{t: t, w: x.w, pace: newPace(&x.srv.opts), head: x.r.Method == http.MethodHead}
	out.limits[0], out.limits[1] = x.srv.downloads, limiter(x.srv.opts.MaxRatePerTransfer)
	x.send(out, src)
	if out.err == nil && out.started {
		out.flush()
	}
	parts, err := src.close()
	if err == nil {
		err = t.failure(out.err)
	}
	if err != nil {
		parts = sentOf(parts, t.bytes)
	}
	t.bytes = 0 // without what is around several parts
	for _, p := range parts {
		t.bytes += p.to - p.from
	}
	t.over(out.started, err, parts)
}

// send answers with the content, or with what a condition or a Range makes of
// it.
func (x *exchange) send(out *sender, src *source) {
	h := x.w.Header()
	h.Set("Content-Type", x.job.offer.ContentType)
	h.Set("Etag", x.job.etag)
	if r := x.r.Header.Values("Range"); len(r) == 1 {
		x.r.Header.Set("Range", ranges(r[0]))
	} else {
		x.r.Header.Del("Range")
	}
	http.ServeContent(out, x.r, "", x.job.modified, src)
}

// sentOf is what is known of a download that broke off after n bytes: with
// several parts, whose headers count too, nothing.
func sentOf(parts []span, n int64) []span {
	if len(parts) != 1 {
		return nil
	}
	return []span{{parts[0].from, min(parts[0].to, parts[0].from+n)}}
}

// sender is the http.ResponseWriter of a download. It has no ReadFrom: a file
// that the kernel sends by itself cannot be held to a rate.
type sender struct {
	t       *transfer
	w       http.ResponseWriter
	pace    pace
	limits  [2]*rate.Limiter
	head    bool
	started bool
	err     error // of the first write that failed
}

// Header implements http.ResponseWriter.
func (s *sender) Header() http.Header { return s.w.Header() }

// WriteHeader implements http.ResponseWriter. The transfer begins here, if the
// answer is content.
func (s *sender) WriteHeader(status int) {
	if !s.head && (status == http.StatusOK || status == http.StatusPartialContent) {
		s.started = true
		s.t.started()
	}
	s.w.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (s *sender) Write(p []byte) (n int, err error) {
	for n < len(p) && s.err == nil {
		size, within := s.pace.step(len(p) - n)
		if s.err = s.wait(size); s.err != nil {
			break
		}
		at := time.Now()
		s.t.within(within, s.t.rc.SetWriteDeadline)
		var m int
		m, s.err = s.w.Write(p[n : n+size])
		s.pace.did(m, time.Since(at))
		if s.started {
			s.t.moved(m)
		}
		n += m
	}
	return n, s.err
}

// wait is until n bytes may be sent.
func (s *sender) wait(n int) error {
	for _, l := range s.limits {
		if l == nil {
			continue
		}
		if err := l.WaitN(s.t.ctx, n); err != nil {
			return err //nolint:wrapcheck // of our own context
		}
	}
	return nil
}

// flush has the network take what net/http still holds.
func (s *sender) flush() {
	s.t.within(s.pace.within, s.t.rc.SetWriteDeadline)
	s.err = s.t.rc.Flush()
}

// source is the content as http.ServeContent reads it, which for several ranges
// it does in another goroutine that may outlive the call: after close, nothing is
// read any more.
type source struct {
	size int64

	mu      sync.Mutex
	content io.ReaderAt // nil: closed
	pos     int64
	parts   []span // what was read
	err     error
}

// Seek implements io.Seeker.
func (s *source) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("files: seek before the start")
	}
	s.pos = offset
	return offset, nil
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.content == nil {
		return 0, ErrContent
	}
	if s.pos >= s.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.size-s.pos)]
	n, err := s.content.ReadAt(p, s.pos)
	if n == len(p) {
		err = nil
	} else if s.err == nil {
		s.err = errors.Join(ErrContent, err) // also an EOF before the end
	}
	if last := len(s.parts) - 1; last >= 0 && s.parts[last].to == s.pos {
		s.parts[last].to += int64(n)
	} else if n > 0 {
		s.parts = append(s.parts, span{s.pos, s.pos + int64(n)})
	}
	s.pos += int64(n)
	if err == nil {
		return n, nil
	}
	return n, s.err
}

// close returns what was read, and why not more.
func (s *source) close() ([]span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content = nil
	return s.parts, s.err
}
