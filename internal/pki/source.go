// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Source is one set of certificate files, kept up to date. Safe for concurrent
// use; handshakes never wait for a reload.
type Source struct {
	o       Options
	metrics *metrics
	current atomic.Pointer[state]

	mu     sync.Mutex // serializes loads
	seen   []stamp    // of the files as of the last load
	failed string     // why the last load failed
	warned warning    // what has been said about the current state
}

// stamp tells whether a file has changed without reading it.
type stamp struct {
	info os.FileInfo // of the file behind symbolic links; nil: not there
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.info.Size() == o.info.Size() && s.info.ModTime().Equal(o.info.ModTime())
}

// warning notes which dates of a state have been warned of.
type warning struct {
	of        *state
	cert, crl bool
}

// New reads the files for the first time; an error of one is an error of all.
func New(o Options) (*Source, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Source{o: o}
	stamps := s.stamps()
	st, err := load(&s.o)
	if err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Metrics, o.Name); err != nil {
		return nil, err
	}
	s.seen = stamps
	s.current.Store(st)
	s.metrics.show(st)
	return s, nil
}

// Run looks at the files every Interval until ctx ends and takes over what has
// changed. It logs what it does, and once per change what is wrong with it.
func (s *Source) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Interval)
	defer tick.Stop()
	s.warn(time.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.poll()
			s.warn(time.Now())
		}
	}
}

// poll reloads if a file looks other than at the last time, and again while
// the last time failed: the cause need not be in the files.
func (s *Source) poll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamps := s.stamps()
	fresh := !sameStamps(stamps, s.seen)
	if !fresh && s.failed == "" {
		return
	}
	before := s.failed
	changed, err := s.load(stamps)
	switch {
	case err != nil && (fresh || err.Error() != before):
		s.metrics.reloaded(false)
		s.o.Log.Error("a changed certificate file is not usable, what was loaded before stays", zap.Error(err))
	case err == nil && changed:
		s.metrics.reloaded(true)
		s.o.Log.Info("certificates reloaded", zap.Time("not_after", s.current.Load().notAfter()))
	}
}

// Reload reads the files now, whether they look changed or not. On an error
// nothing has changed. It does not log.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, err := s.load(s.stamps())
	if err != nil || changed {
		s.metrics.reloaded(err == nil)
	}
	return err
}

// load reads the files, whose stamps were taken before; s.mu is held.
func (s *Source) load(stamps []stamp) (changed bool, err error) {
	s.seen = stamps
	st, err := load(&s.o)
	if err != nil {
		s.failed = err.Error()
		return false, err
	}
	s.failed = ""
	if st.sum == s.current.Load().sum {
		return false, nil
	}
	s.current.Store(st)
	s.metrics.show(st)
	return true, nil
}

func (s *Source) stamps() []stamp {
	paths := s.o.paths()
	out := make([]stamp, len(paths))
	for i, p := range paths {
		if info, err := os.Stat(p); err == nil {
			out[i].info = info
		}
	}
	return out
}

func sameStamps(a, b []stamp) bool {
	for i := range a {
		if !a[i].same(b[i]) {
			return false
		}
	}
	return true
}

// warn says once per state that its certificate or a CRL has run out.
func (s *Source) warn(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.current.Load()
	if s.warned.of != st {
		s.warned = warning{of: st}
	}
	if end := st.notAfter(); !s.warned.cert && !end.IsZero() && now.After(end) {
		s.warned.cert = true
		s.o.Log.Warn("the own certificate has expired", zap.Time("not_after", end))
	}
	if s.warned.crl {
		return
	}
	for _, c := range st.crls {
		if !c.current(now) {
			s.warned.crl = true
			s.o.Log.Warn("a revocation list is out of date", zap.String("issuer", c.list.Issuer.String()),
				zap.Time("next_update", c.list.NextUpdate), zap.Bool("peers_refused", !s.o.SoftCRL))
		}
	}
}

// Leaf is the own certificate, nil if there is none. It must not be changed.
func (s *Source) Leaf() *x509.Certificate {
	if st := s.current.Load(); st.cert != nil {
		return st.cert.Leaf
	}
	return nil
}
