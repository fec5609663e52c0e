// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// upload answers PUT and POST.
func (x *exchange) upload() {
	if err := x.authorize(); err != nil {
		x.challengeUpload(err)
		return
	}
	if status, err := x.unfit(); err != nil {
		x.job.notify(Event{Kind: Failed, Remote: x.remote, Method: x.r.Method, Err: err})
		x.srv.met.transfers.WithLabelValues(upload, result(err)).Inc()
		x.abandonBody()
		x.answer(status)
		return
	}
	t := x.newTransfer(upload)
	if !x.admit(t) {
		return
	}
	t.started()
	u := &uploading{t: t, limit: x.job.intake.MaxBytes, raw: newBody(t, x.r, x.rawLimit())}
	err := u.run(x.r.Header)
	t.over(true, err, nil)
	if err != nil {
		x.abandonBody()
	}
	x.answer(uploadStatus(err, x.job.intake.Status))
}

// uploadStatus is the status after err.
func uploadStatus(err error, ok int) int {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrMalformed):
		return http.StatusBadRequest
	case errors.Is(err, ErrStalled), errors.Is(err, ErrInterrupted):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrContent):
		return http.StatusInternalServerError
	default:
		return http.StatusServiceUnavailable
	}
}

// unasked is the longest pause in a body that is read before a 401. libcurl with
// Digest announces a chunked body that it sends only when it has been asked for
// its credentials.
const unasked = 3 * time.Second

// challengeUpload answers 401, as a rule when it has read the body: many CPE look
// for an answer only then [quirk 33].
func (x *exchange) challengeUpload(err error) {
	limit := x.rawLimit()
	if strings.EqualFold(strings.TrimSpace(x.r.Header.Get("Expect")), "100-continue") {
		limit = min(limit, x.srv.opts.MaxUnauthenticated)
	}
	if x.r.Body == http.NoBody || x.r.ContentLength > limit {
		x.abandonBody()
		x.challenge(err)
		return
	}
	t := x.newTransfer(upload)
	defer t.cancel(nil)
	if reason := x.srv.transfers.take(t); reason != "" {
		x.busy(reason)
		return
	}
	body := newBody(t, x.r, limit)
	body.most = unasked
	_, failed := io.Copy(io.Discard, body)
	x.srv.transfers.give(t)
	if failed != nil {
		x.abandonBody()
	}
	x.challenge(err)
}

// formOverhead is what may surround a file in a form.
const formOverhead = 64 * kib

// rawLimit is the greatest body of the job.
func (x *exchange) rawLimit() int64 {
	limit := x.job.intake.MaxBytes
	if isForm(x.r.Header) {
		limit += formOverhead
	}
	return limit
}

// unfit tells what is wrong with an upload before its body is read.
func (x *exchange) unfit() (status int, err error) {
	h := x.r.Header
	if part := h.Get("Content-Range"); part != "" && !wholeRange(part) {
		return http.StatusBadRequest, fmt.Errorf("%w: Content-Range %q is a part", ErrMalformed, part)
	}
	if !knownEncoding(h.Get("Content-Encoding")) {
		return http.StatusUnsupportedMediaType,
			fmt.Errorf("%w: Content-Encoding %q", ErrMalformed, h.Get("Content-Encoding"))
	}
	if x.r.ContentLength > x.rawLimit() {
		return http.StatusRequestEntityTooLarge, ErrTooLarge
	}
	if x.r.ContentLength == 0 && h.Get("Content-Length") == "" {
		return http.StatusLengthRequired, fmt.Errorf("%w: no length", ErrMalformed)
	}
	return 0, nil
}

// wholeRange reports whether a Content-Range is that of all bytes.
func wholeRange(s string) bool {
	var first, last, size int64
	n, err := fmt.Sscanf(s, "bytes %d-%d/%d", &first, &last, &size)
	return err == nil && n == 3 && first == 0 && last == size-1
}

// uploading is one upload on its way to its Destination.
type uploading struct {
	t        *transfer
	limit    int64
	raw      *body
	reserved int64
}

// run brings the upload to its Destination, and commits or discards it.
func (u *uploading) run(h http.Header) error {
	dst, err := u.t.job.intake.Open(u.t.ctx)
	if err != nil {
		return u.ours(err)
	}
	if err = u.receive(h, dst); err == nil {
		err = u.commit(dst)
	} else {
		dst.Discard()
	}
	if err != nil {
		u.t.srv.uploads.release(u.reserved)
	}
	return err
}

// commit keeps what was received, unless a newer upload has begun: of two, the
// newer is always the last that is committed.
func (u *uploading) commit(dst Destination) error {
	j := u.t.job
	j.commit.Lock()
	defer j.commit.Unlock()
	if u.t.ctx.Err() != nil {
		dst.Discard()
		return context.Cause(u.t.ctx)
	}
	if err := dst.Commit(); err != nil {
		return u.ours(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	u.t.srv.uploads.release(j.stored)
	j.stored = u.reserved
	return nil
}

// ours is an error that is not the CPE's.
func (u *uploading) ours(err error) error {
	if u.t.ctx.Err() != nil {
		return context.Cause(u.t.ctx)
	}
	return fmt.Errorf("%w: %w", ErrContent, err)
}

// receive reads the body to its end, and writes the file in it.
func (u *uploading) receive(h http.Header, dst Destination) error {
	content, err := u.raw.content(h, u.limit)
	if err == nil {
		err = u.copy(dst, content)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, u.raw)
	}
	switch {
	case u.t.ctx.Err() != nil:
		return context.Cause(u.t.ctx)
	case u.raw.err != nil:
		return u.raw.err
	}
	return err
}

func (u *uploading) copy(dst io.Writer, content io.Reader) error {
	buf := make([]byte, 32*kib)
	for {
		n, err := content.Read(buf)
		if n > 0 {
			if werr := u.write(dst, buf[:n]); werr != nil {
				return werr
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return formError(err)
		}
	}
}

func (u *uploading) write(dst io.Writer, p []byte) error {
	n := int64(len(p))
	if u.t.bytes+n > u.limit {
		return ErrTooLarge
	}
	if !u.t.srv.uploads.reserve(n) {
		return ErrNoRoom
	}
	u.reserved += n
	if _, err := dst.Write(p); err != nil {
		return fmt.Errorf("%w: %w", ErrContent, err)
	}
	u.t.moved(len(p))
	return nil
}
