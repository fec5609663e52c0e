// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/x509"
	"errors"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Reasons why an Authenticator turns a CPE away.
var (
	// ErrNoCredentials: the request has no credentials of the kind wanted. The
	// answer is 401.
	ErrNoCredentials = errors.New("acs: no credentials")
	// ErrBadCredentials: the user is unknown or the password wrong. The answer
	// is 401.
	ErrBadCredentials = errors.New("acs: bad credentials")
	// ErrStaleNonce: the nonce is another Server's, or has expired. The answer
	// is 401 with stale=true.
	ErrStaleNonce = errors.New("acs: stale nonce")
	// ErrNoCertificate: a verified client certificate is wanted and there is
	// none. The answer is 403.
	ErrNoCertificate = errors.New("acs: no client certificate")
	// ErrIdentity: who has logged in is not the device of the Inform. The answer
	// is 403.
	ErrIdentity = errors.New("acs: the credentials are those of another device")
)

// LockedError turns away whoever has failed too often. The answer is 503 with
// Retry-After.
type LockedError struct{ Wait time.Duration }

// Error names no user and no address.
func (e *LockedError) Error() string {
	return "acs: locked out for " + e.Wait.Round(time.Second).String()
}

// Claim is who a CPE says it is, when it asks for a session.
type Claim struct {
	// Method and Target of the HTTP request, and its Authorization headers.
	Method        string
	Target        string
	Authorization []string
	// Remote is where the CPE is, behind whatever proxies are trusted.
	Remote netip.AddrPort
	// Secure is true where the CPE speaks TLS, with us or with a trusted proxy.
	Secure bool
	// Certificate is its client certificate; nil if it has none that verified.
	Certificate *x509.Certificate
	// Device is the one of the Inform. For Screen and Challenge it is what a
	// quick look has found, which may be nothing.
	Device cwmp.DeviceID
	// Username is set by Screen.
	Username string
	// InSession is true if it comes from the CPE of an open session that has
	// authenticated: it is never locked out.
	InSession bool

	proof proof
}

// Login is how a CPE has proved who it is.
type Login struct {
	Username string // or the name in the certificate
	Method   string // "basic", "digest" or "certificate"
}

// Authenticator authenticates the Inform of a CPE. Later POSTs of the session
// are known by cookie or connection and are not authenticated again.
// Implementations are safe for concurrent use.
type Authenticator interface {
	// Screen decides, before the body of the POST is parsed, whether it is worth
	// it. It returns one of the errors of this package.
	Screen(c *Claim) error
	// Authenticate follows a Screen that returned nil, with the same Claim, now
	// with the Device of the Inform. It returns one of the errors of this
	// package; any other means 503.
	Authenticate(ctx context.Context, c *Claim) (Login, error)
	// Challenge returns the WWW-Authenticate headers of a 401 after err.
	Challenge(c *Claim, err error) []string
}

// Accounts finds the passwords a claim may prove, any one of them: by its
// Username, its Device, or both. None: it is unknown. An error means 503. Safe
// for concurrent use.
type Accounts func(ctx context.Context, c *Claim) (passwords []string, err error)
