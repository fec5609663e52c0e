// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// Content is what a CPE can download, where it is not a file. It does not change
// while a job with it is open. Safe for concurrent use.
type Content interface {
	io.ReaderAt
	// Size in bytes.
	Size() int64
	// ModTime is shown as Last-Modified unless it is zero.
	ModTime() time.Time
}

// Offer is what CPE may download.
type Offer struct {
	Access
	// File is the path of a regular file below Options.Root, with slashes. A
	// symbolic link may lead to anything below Root and is relative. Or
	Content Content
	File    string
	// ContentType; default "application/octet-stream".
	ContentType string
}

// Offer opens a job for downloads. It fails with ErrJobs, ErrToken, ErrURL,
// ErrShutdown, or because there is no such file. Safe for concurrent use; where
// no BaseURL is configured, after Listen.
func (s *Server) Offer(o Offer) (Ticket, error) {
	if o.ContentType == "" {
		o.ContentType = "application/octet-stream"
	}
	j := &job{offer: &o}
	if o.Content != nil {
		j.size, j.modified = o.Content.Size(), o.Content.ModTime()
	} else {
		info, err := s.stat(o.File)
		if err != nil {
			return Ticket{}, err
		}
		j.size, j.modified = info.Size(), info.ModTime()
	}
	return s.open(j, o.Access, o.File)
}

// open finishes j and puts it into the table.
func (s *Server) open(j *job, a Access, file string) (Ticket, error) {
	if a.Token == "" {
		a.Token = newToken()
	}
	if !isToken(a.Token) {
		return Ticket{}, fmt.Errorf("%w: not 32 lower-case hex digits", ErrToken)
	}
	if a.Name == "" && file != "" {
		a.Name = path.Base(filepath.ToSlash(file))
	}
	if a.Name == "" {
		a.Name = "file.bin"
	}
	if a.Expires.IsZero() {
		a.Expires = time.Now().Add(s.opts.Lifetime)
	}
	u, secure, err := s.url(&a)
	if err != nil {
		return Ticket{}, err
	}
	j.srv, j.access, j.secure, j.key = s, a, secure, tokenKey(a.Token)
	j.active = make(map[*transfer]struct{})
	j.etag = j.makeETag()
	s.met.jobs.Inc() // before it can be closed
	if err = s.table.add(j); err != nil {
		s.met.jobs.Dec()
		return Ticket{}, err
	}
	return Ticket{Token: a.Token, URL: u, Size: j.size, Expires: a.Expires}, nil
}

// makeETag is a strong one: a file that changes is not served any more, and
// every job has a URL of its own.
func (j *job) makeETag() string {
	h := sha256.New()
	h.Write([]byte(j.access.Token))
	h.Write(strconv.AppendInt(nil, j.size, 10))
	h.Write(strconv.AppendInt([]byte{':'}, j.modified.UnixNano(), 10))
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// stat returns what a File is, if it is a regular one.
func (s *Server) stat(name string) (os.FileInfo, error) {
	root, err := openRoot(s.opts.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // of a folder
	info, err := root.Stat(filepath.FromSlash(name))
	switch {
	case err != nil:
		return nil, fmt.Errorf("files: offer: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("files: offer: %q is no regular file", name)
	}
	return info, nil
}

func openRoot(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, errors.New("files: no folder for files is configured")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return root, nil
}

// content opens what j offers; done has to be called.
func (j *job) content() (r io.ReaderAt, done func(), err error) {
	if c := j.offer.Content; c != nil {
		return c, func() {}, nil
	}
	root, err := openRoot(j.srv.opts.Root)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close() //nolint:errcheck // of a folder
	name := filepath.FromSlash(j.offer.File)
	// Before it is opened: that of a pipe would wait.
	info, err := root.Stat(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	if !j.same(info) {
		return nil, nil, ErrChanged
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	if info, err = f.Stat(); err != nil || !j.same(info) {
		_ = f.Close()
		return nil, nil, ErrChanged
	}
	return f, func() { _ = f.Close() }, nil
}

func (j *job) same(info os.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == j.size && info.ModTime().Equal(j.modified)
}
