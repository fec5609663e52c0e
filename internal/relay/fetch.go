// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// ask gets a URL, or learns that it has not changed where there is a content of it.
func (c *Cache) ask(ctx context.Context, s *source, u *url.URL, user, password string, have bool) (File, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if user != "" || password != "" {
		req.SetBasicAuth(user, password)
	}
	if have && s.etag != "" {
		req.Header.Set("If-None-Match", s.etag)
	} else if have && s.age != "" {
		req.Header.Set("If-Modified-Since", s.age)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return File{}, fmt.Errorf("relay: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	switch {
	case have && resp.StatusCode == http.StatusNotModified:
		s.asked = time.Now()
		f, _ := c.touch(s.id)
		return f, nil
	case resp.StatusCode >= http.StatusInternalServerError:
		return File{}, fmt.Errorf("relay: the server says %s", resp.Status)
	case resp.StatusCode != http.StatusOK:
		return File{}, fmt.Errorf("%w: the server says %s", ErrRefused, resp.Status)
	case resp.ContentLength > c.opts.MaxFile:
		return File{}, fmt.Errorf("%w: the file has more than %d bytes", ErrRefused, c.opts.MaxFile)
	}
	f, err := c.keep(resp.Body)
	if err != nil {
		return File{}, err
	}
	s.id, s.asked = f.ID, time.Now()
	s.etag, s.age = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	return f, nil
}

// keep writes a body into the folder.
func (c *Cache) keep(body io.Reader) (_ File, err error) {
	id := newID()
	part := c.file(id + partial)
	w, err := os.OpenFile(filepath.Clean(part), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return File{}, fmt.Errorf("relay: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	n, err := io.Copy(w, io.LimitReader(body, c.opts.MaxFile+1))
	if n > c.opts.MaxFile && err == nil {
		err = fmt.Errorf("%w: the file has more than %d bytes", ErrRefused, c.opts.MaxFile)
	}
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return File{}, fmt.Errorf("relay: %w", err)
	}
	if err := c.room(n); err != nil {
		return File{}, err
	}
	if err := os.Rename(part, c.file(id)); err != nil {
		return File{}, fmt.Errorf("relay: %w", err)
	}
	info, err := os.Stat(c.file(id))
	if err != nil {
		return File{}, fmt.Errorf("relay: %w", err)
	}
	k := &kept{File: File{ID: id, Size: n, Modified: info.ModTime()}, used: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[id] = k
	return k.File, nil
}

// Content is a file as cwmp/files wants it. It holds no descriptor: there may be many
// that wait for their CPE. Safe for concurrent use.
type Content struct {
	name string
	file File
}

// Open returns a file that was fetched; false if it is not kept any more. Whoever opens
// it uses it.
func (c *Cache) Open(id string) (*Content, bool) {
	f, ok := c.touch(id)
	if !ok {
		return nil, false
	}
	return &Content{name: c.file(f.ID), file: f}, true
}

// Size is in bytes.
func (c *Content) Size() int64 { return c.file.Size }

// ModTime is when it was fetched.
func (c *Content) ModTime() time.Time { return c.file.Modified }

// ReadAt implements io.ReaderAt. It fails where the file had to make room.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	f, err := os.Open(c.name)
	if err != nil {
		return 0, fmt.Errorf("relay: %w", err)
	}
	defer f.Close()         //nolint:errcheck // it was read
	return f.ReadAt(p, off) //nolint:wrapcheck // io.EOF has to stay what it is
}
