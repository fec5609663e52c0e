// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrRefused is that a URL may not be fetched, or that its server does not give it. Its
// text is fit for who has asked.
var ErrRefused = errors.New("relay")

// File is what was fetched.
type File struct {
	// ID names the content for Open: the same for as long as it is kept.
	ID   string
	Size int64
	// Modified is when it was fetched.
	Modified time.Time
}

// Cache is the files that were fetched. Safe for concurrent use.
type Cache struct {
	opts   Options
	allow  []*url.URL
	client *http.Client
	slots  chan struct{}

	mu    sync.Mutex
	files map[string]*kept   // by ID
	urls  map[string]*source // by the hash of URL and login
}

// kept is a file in the folder.
type kept struct {
	File
	used time.Time
}

// source is a URL. Its mutex is held while it is fetched.
type source struct {
	mu        sync.Mutex
	id        string // of the newest content
	asked     time.Time
	etag, age string // ETag, Last-Modified
}

// New opens a folder, with what is in it from before.
func New(o Options) (*Cache, error) {
	o = o.withDefaults()
	c := &Cache{
		opts: o, slots: make(chan struct{}, o.Parallel),
		files: make(map[string]*kept), urls: make(map[string]*source),
	}
	for _, a := range o.Allow {
		u, err := url.Parse(a)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("relay: %q is not the beginning of a URL of http or https", a)
		}
		c.allow = append(c.allow, u)
	}
	c.client = &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: o.TLS, ResponseHeaderTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
			DisableCompression: true, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: c.redirect,
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return c, c.scan()
}

// Close ends idle connections.
func (c *Cache) Close() { c.client.CloseIdleConnections() }

// scan takes in what an earlier process has fetched, and removes what it has not
// finished.
func (c *Cache) scan() error {
	entries, err := os.ReadDir(c.opts.Dir)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasSuffix(e.Name(), partial) {
			_ = os.Remove(c.file(e.Name())) // perhaps the next time
			continue
		}
		c.files[e.Name()] = &kept{File: File{ID: e.Name(), Size: info.Size(), Modified: info.ModTime()}, used: time.Now()}
	}
	return nil
}

// partial ends the name of a file that is not whole.
const partial = ".part"

func (c *Cache) file(id string) string { return filepath.Join(c.opts.Dir, id) }

// Allows reports whether a URL may be fetched.
func (c *Cache) Allows(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && c.allows(u)
}

func (c *Cache) allows(u *url.URL) bool {
	if u.User != nil || u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return false // there may be dots in it
	}
	return slices.ContainsFunc(c.allow, func(a *url.URL) bool {
		folder := strings.TrimSuffix(a.Path, "/") + "/"
		return u.Scheme == a.Scheme && strings.EqualFold(u.Host, a.Host) && strings.HasPrefix(u.Path, folder)
	})
}

func (c *Cache) redirect(req *http.Request, via []*http.Request) error {
	const most = 5
	if len(via) > most || !c.allows(req.URL) {
		return fmt.Errorf("%w: the server redirects to where nothing may be fetched", ErrRefused)
	}
	return nil
}

// Fetch returns the content of a URL, which Allows. Login may be empty; otherwise it is
// sent with Basic. It waits for others who fetch, and for the server. An error wraps
// ErrRefused where trying again is of no use.
func (c *Cache) Fetch(ctx context.Context, raw, user, password string) (File, error) {
	u, err := url.Parse(raw)
	if err != nil || !c.allows(u) {
		return File{}, fmt.Errorf("%w: this URL may not be fetched", ErrRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	s := c.source(raw, user, password)
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := c.touch(s.id)
	if ok && time.Since(s.asked) < c.opts.Fresh {
		return have, nil
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return File{}, fmt.Errorf("relay: %w", context.Cause(ctx))
	}
	return c.ask(ctx, s, u, user, password, ok)
}

// source returns what is known of a URL.
func (c *Cache) source(raw, user, password string) *source {
	sum := sha256.Sum256([]byte(raw + "\x00" + user + "\x00" + password))
	key := hex.EncodeToString(sum[:16])
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.urls[key]
	if s == nil {
		if len(c.urls) >= maxURLs {
			clear(c.urls) // they are asked again
		}
		s = &source{}
		c.urls[key] = s
	}
	return s
}

// maxURLs bounds what is known of URLs.
const maxURLs = 10_000

// touch returns a file, if it is there, and notes that it is used.
func (c *Cache) touch(id string) (File, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.files[id]
	if k == nil {
		return File{}, false
	}
	k.used = time.Now()
	return k.File, true
}

// newID names a content that is new.
func newID() string { return strings.ToLower(rand.Text()) }

// room makes room for a file of that size: what nobody has used for long goes, and if
// that is not enough what was used longest ago.
func (c *Cache) room(size int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := size
	all := make([]*kept, 0, len(c.files))
	for _, k := range c.files {
		all = append(all, k)
		total += k.Size
	}
	slices.SortFunc(all, func(a, b *kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if total <= c.opts.MaxTotal && time.Since(k.used) < c.opts.Keep {
			break
		}
		if err := os.Remove(c.file(k.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("relay: %w", err)
		}
		delete(c.files, k.ID)
		total -= k.Size
	}
	return nil
}
