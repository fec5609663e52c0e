// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/zap"
)

// Defaults and bounds of ListenerOptions.
const (
	DefaultRealm          = "CPE"
	DefaultConnReqLimit   = 60
	connReqWindow         = time.Minute
	nonceLife             = time.Minute
	connReqHeaderTimeout  = 10 * time.Second
	connReqMaxHeaderBytes = 8 << 10
)

// ListenerOptions configures a Listener.
type ListenerOptions struct {
	// Address to listen at; empty means "127.0.0.1:0".
	Address string
	// Host is put in the URL instead of the address bound; empty means the
	// latter, or 127.0.0.1 if that is unspecified.
	Host string
	// Path of the URL; empty means a random one.
	Path string
	// Realm of the Digest challenge; empty means "CPE".
	Realm string
	// Credentials of the ACS, read for every request. An empty username needs
	// no authentication, as of a CPE that nobody has given one. Required.
	Credentials func() (username, password string)
	// Busy makes the Listener answer 503, as some CPE do within a session; nil
	// never does.
	Busy func() bool
	// Limit is the greatest number of Connection Requests accepted in a
	// minute, beyond which they get 503; 0 means 60 [TR-069 3.2.2].
	Limit int
	// Status answers an accepted request, 200 or 204; 0 means 200.
	Status int
	// Request is called for every accepted request; it must not block.
	// Required.
	Request func()
	// Wrap is put around the handler of requests, for a CPE whose HTTP server
	// has oddities; nil leaves it alone.
	Wrap func(http.Handler) http.Handler
	// Log gets a debug line per request; nil is none.
	Log *zap.Logger
}

// Listener is the HTTP server for Connection Requests [TR-069 3.2.2]: GET with
// Digest authentication at one path.
type Listener struct {
	opts   ListenerOptions
	log    *zap.Logger
	secret [16]byte
	listen net.Listener
	url    string

	mu       sync.Mutex
	accepted []time.Time          // within connReqWindow, oldest first
	used     map[string]usedNonce // nonces of accepted requests
}

type usedNonce struct {
	count int
	at    time.Time
}

// NewListener checks the options and makes the path and the secret.
func NewListener(o ListenerOptions) (*Listener, error) {
	if o.Credentials == nil || o.Request == nil {
		return nil, errors.New("cpe: ListenerOptions.Credentials and Request are required")
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Realm == "" {
		o.Realm = DefaultRealm
	}
	if o.Limit <= 0 {
		o.Limit = DefaultConnReqLimit
	}
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	l := &Listener{log: o.Log.Named("cwmp.cpe.connreq"), used: make(map[string]usedNonce)}
	_, _ = rand.Read(l.secret[:]) // never fails
	if o.Path == "" {
		var p [8]byte
		_, _ = rand.Read(p[:])
		o.Path = "/" + hex.EncodeToString(p[:])
	}
	if !strings.HasPrefix(o.Path, "/") {
		return nil, fmt.Errorf("cpe: connection request path %q does not begin with a slash", o.Path)
	}
	l.opts = o
	return l, nil
}

// Listen binds the address, after which URL is known.
func (l *Listener) Listen(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.opts.Address)
	if err != nil {
		return fmt.Errorf("cpe: connection request listener: %w", err)
	}
	l.listen = ln
	host, port := l.opts.Host, ""
	if ap, err := netip.ParseAddrPort(ln.Addr().String()); err == nil {
		port = strconv.Itoa(int(ap.Port()))
		switch {
		case host != "":
		case ap.Addr().IsUnspecified():
			host = "127.0.0.1"
		default:
			host = ap.Addr().Unmap().WithZone("").String()
		}
	}
	l.url = "http://" + net.JoinHostPort(host, port) + l.opts.Path
	return nil
}

// URL is the ConnectionRequestURL; empty before Listen.
func (l *Listener) URL() string { return l.url }

// Run serves until ctx ends, then drops every connection and returns nil. It
// binds if Listen was not called.
func (l *Listener) Run(ctx context.Context) error {
	if l.listen == nil {
		if err := l.Listen(ctx); err != nil {
			return err
		}
	}
	var handler http.Handler = http.HandlerFunc(l.serve)
	if l.opts.Wrap != nil {
		handler = l.opts.Wrap(handler)
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: connReqHeaderTimeout,
		IdleTimeout:       connReqHeaderTimeout,
		MaxHeaderBytes:    connReqMaxHeaderBytes,
		ErrorLog:          zap.NewStdLog(zap.NewNop()),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l.listen); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cpe: connection request listener: %w", err)
	}
	return nil
}

// serve answers one request.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != l.opts.Path {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if ok, stale := l.authorized(r, time.Now()); !ok {
		w.Header().Set("WWW-Authenticate", l.challenge(time.Now(), stale))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if l.opts.Busy != nil && l.opts.Busy() || !l.admit(time.Now()) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	l.log.Debug("connection request", zap.String("remote", r.RemoteAddr))
	l.opts.Request()
	w.WriteHeader(l.opts.Status)
}

// admit counts a request against the limit.
func (l *Listener) admit(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := 0
	for old < len(l.accepted) && now.Sub(l.accepted[old]) >= connReqWindow {
		old++
	}
	l.accepted = l.accepted[old:]
	if len(l.accepted) >= l.opts.Limit {
		return false
	}
	l.accepted = append(l.accepted, now)
	return true
}

// challenge makes a fresh Digest challenge.
func (l *Listener) challenge(now time.Time, stale bool) string {
	var salt [8]byte
	_, _ = rand.Read(salt[:]) // never fails
	c := digest.Challenge{
		Realm: l.opts.Realm, QOP: []string{"auth"}, Algorithm: "MD5", Stale: stale,
		Nonce: l.nonce(strconv.FormatInt(now.Unix(), 16) + "." + hex.EncodeToString(salt[:])),
	}
	return c.String()
}

// nonce appends the authentication code to the time and salt, so that no table
// of the nonces given away is needed.
func (l *Listener) nonce(text string) string {
	m := hmac.New(sha256.New, l.secret[:])
	_, _ = m.Write([]byte(text))
	return text + "." + hex.EncodeToString(m.Sum(nil)[:16])
}

// fresh reports whether a nonce is ours, and not too old.
func (l *Listener) fresh(nonce string, now time.Time) (ours, fresh bool) {
	i := strings.LastIndexByte(nonce, '.')
	if i < 0 || subtle.ConstantTimeCompare([]byte(l.nonce(nonce[:i])), []byte(nonce)) != 1 {
		return false, false
	}
	t, _, _ := strings.Cut(nonce, ".")
	unix, err := strconv.ParseInt(t, 16, 64)
	return err == nil, err == nil && now.Sub(time.Unix(unix, 0)) < nonceLife
}

// authorized verifies the Digest credentials. stale is true if only the nonce
// was too old or used before.
func (l *Listener) authorized(r *http.Request, now time.Time) (ok, stale bool) {
	username, password := l.opts.Credentials()
	if username == "" {
		return true, false
	}
	have, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	if err != nil || have.Username != username {
		return false, false
	}
	chal := digest.Challenge{Realm: l.opts.Realm, Nonce: have.Nonce, Algorithm: "MD5"}
	if have.QOP != "" { // a peer may leave qop out, [RFC 2069]
		chal.QOP = []string{"auth"}
	}
	want, err := digest.Digest(&chal, digest.Options{
		Method: r.Method, URI: have.URI, Username: username, Password: password, Count: have.Nc, Cnonce: have.Cnonce,
	})
	if err != nil || subtle.ConstantTimeCompare([]byte(want.Response), []byte(have.Response)) != 1 {
		return false, false
	}
	if !sameTarget(have.URI, r) {
		return false, false
	}
	ours, fresh := l.fresh(have.Nonce, now)
	if !ours {
		return false, false
	}
	if !fresh || !l.use(have.Nonce, have.Nc, now) {
		return false, true
	}
	return true, false
}

// sameTarget compares the uri that was hashed with the target of the request;
// an absolute URI is as good as its path.
func sameTarget(uri string, r *http.Request) bool {
	if uri == r.RequestURI {
		return true
	}
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return false
	}
	_, path, _ := strings.Cut(rest, "/")
	return "/"+path == r.URL.RequestURI()
}

// use accepts each (nonce, count) once, counts only rising: no replay. The
// table is swept of nonces that are too old, and bounded to what the limit on
// requests lets be accepted in their life, twice.
func (l *Listener) use(nonce string, count int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, u := range l.used {
		if now.Sub(u.at) > nonceLife {
			delete(l.used, n)
		}
	}
	last, seen := l.used[nonce]
	if seen && count <= last.count || !seen && len(l.used) >= 2*l.opts.Limit {
		return false
	}
	l.used[nonce] = usedNonce{count: count, at: now}
	return true
}
