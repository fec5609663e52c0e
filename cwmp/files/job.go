// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// Auth is how the CPE is asked for its credentials.
type Auth uint8

const (
	// AuthDefault asks for Digest over http and for Basic over https, and
	// takes whichever is sent [quirk 45].
	AuthDefault Auth = iota
	// AuthDigest asks for Digest and takes nothing else.
	AuthDigest
	// AuthBasic asks for Basic and takes nothing else.
	AuthBasic
	// AuthBoth asks for Digest or Basic, as the CPE likes. Many CPE cannot
	// choose.
	AuthBoth
)

// Access is who may use a job, how, and for how long. It is part of Offer and
// of Intake.
type Access struct {
	// Token is the secret in the URL: 32 lower-case hex digits. Empty: a new
	// random one. That of an earlier Ticket makes the same URL again.
	Token string
	// Name is the last part of the URL, a file name with the extension that some
	// CPE ask for [quirk 71]. What is not a letter, a digit, '.', '-' or '_'
	// becomes '_', and a long one is cut. Default: that of File, else
	// "file.bin".
	Name string
	// BaseURL replaces Options.BaseURL.
	BaseURL string
	// Username and Password are those of the RPC. Both empty: none are asked
	// for.
	Username, Password string
	// Auth is how they are asked for.
	Auth Auth
	// Expires is when no transfer can begin any more; one that has begun may
	// end. Zero: after Options.Lifetime.
	Expires time.Time
	// Uses is how often the whole content may be moved; then the job is closed.
	// Ranges of a download count when together they are the whole. 0: as often
	// as the CPE likes. It is not told when an answer of ours was lost: a CPE
	// that then begins again finds nothing.
	Uses int
	// Label names the job in log lines, which never show the token.
	Label string
	// Notify is told what happens; nil: nobody. It is called by the goroutine of
	// the transfer, is safe for concurrent use and does not block. Events of one
	// transfer come in order, and Closed after all others.
	Notify func(Event)
}

// Ticket is an open job, as the RPC tells the CPE of it.
type Ticket struct {
	// Token names the job here, and makes the same URL in a later Offer or
	// Accept.
	Token string
	// URL is at most Options.MaxURL bytes of ASCII.
	URL string
	// Size of a download in bytes, for Download.FileSize.
	Size int64
	// Expires is when the job is closed.
	Expires time.Time
}

// job is an Offer or an Intake.
type job struct {
	srv    *Server
	access Access
	key    [sha256.Size]byte // of the token: what the table is searched with
	secure bool              // the URL is https
	offer  *Offer            // or
	intake *Intake
	// size, modified and etag are of the content as it was offered.
	size     int64
	modified time.Time
	etag     string

	index int // in the table's heap, which is under the table's mu

	bytes atomic.Int64
	last  atomic.Int64 // Unix nanoseconds

	commit sync.Mutex // held while an upload is committed

	mu     sync.Mutex
	active map[*transfer]struct{}
	over   bool  // nothing begins any more
	closed bool  // Closed is sent
	cause  error // of Closed
	whole  int
	sent   covered
	stored int64 // bytes of the last upload, counted in the Server's total
}

func (j *job) notify(e Event) {
	if j.access.Notify != nil {
		e.Token = j.access.Token
		j.access.Notify(e)
	}
}

func (j *job) expired(now time.Time) bool { return !now.Before(j.access.Expires) }

// enter begins t, or says why not: reasonUnknown or reasonJob.
func (j *job) enter(t *transfer) (reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return reasonUnknown
	}
	if j.intake != nil {
		for old := range j.active {
			old.stop(ErrReplaced)
		}
	} else if len(j.active) >= j.srv.opts.MaxTransfersPerJob {
		return reasonJob
	}
	j.active[t] = struct{}{}
	return ""
}

// leave ends t and tells of it with e, unless e has no Kind.
func (j *job) leave(t *transfer, e Event, parts []span) {
	j.mu.Lock()
	if e.Kind != 0 {
		e.Whole = j.account(e.Kind == Finished, parts)
	}
	usedUp := !j.over && j.access.Uses > 0 && j.whole >= j.access.Uses
	j.over = j.over || usedUp
	j.mu.Unlock()
	if usedUp {
		j.srv.table.remove(j)
	}
	if e.Kind != 0 {
		j.notify(e)
	}
	j.mu.Lock()
	delete(j.active, t)
	last := j.lastOut()
	j.mu.Unlock()
	if last {
		j.sayClosed()
	}
}

// account adds what a transfer has moved and reports whether the content is
// whole with it; j.mu is held.
func (j *job) account(finished bool, parts []span) (whole bool) {
	if j.intake == nil {
		for _, p := range parts {
			j.sent.add(p)
		}
		whole = finished && j.sent.whole(j.size)
	} else {
		whole = finished
	}
	if whole {
		j.whole++
		j.sent = nil
	}
	return whole
}

// close ends the job for cause. Its transfers go on unless they are to be cut.
func (j *job) close(cause error, cut bool) {
	j.srv.table.remove(j)
	j.mu.Lock()
	if !j.over {
		j.over, j.cause = true, cause
	}
	if cut {
		for t := range j.active {
			t.stop(cause)
		}
	}
	last := j.lastOut()
	j.mu.Unlock()
	if last {
		j.sayClosed()
	}
}

// lastOut is true once: when the job is over and has no transfers left; j.mu is
// held.
func (j *job) lastOut() bool {
	if !j.over || j.closed || len(j.active) > 0 {
		return false
	}
	j.closed = true
	return true
}

func (j *job) sayClosed() {
	j.srv.uploads.release(j.stored) // nobody else is left to change it
	j.srv.met.jobs.Dec()
	j.notify(Event{Kind: Closed, Err: j.cause})
}

func (j *job) status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Status{Active: len(j.active), Bytes: j.bytes.Load(), Whole: j.whole}
	if at := j.last.Load(); at != 0 {
		s.Last = time.Unix(0, at)
	}
	return s
}

// moved counts n bytes of content.
func (j *job) moved(n int) {
	j.bytes.Add(int64(n))
	j.last.Store(time.Now().UnixNano())
}
