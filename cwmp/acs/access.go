// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/httpauth"
)

// Scheme is one way to log in by HTTP.
type Scheme uint8

// The Schemes that are offered to CPE. Who is offered SchemeDigest or
// SchemeDigestNoQop may answer by RFC 2617 or RFC 2069, whichever it likes.
const (
	SchemeDigest       Scheme = iota + 1 // MD5 and qop="auth" [RFC 2617]
	SchemeDigestNoQop                    // MD5 [RFC 2069]
	SchemeDigestSHA256                   // SHA-256 and qop="auth" [RFC 7616]
	SchemeBasic
)

// CertificateUse is what a verified client certificate means. Whether one is asked
// for is up to Options.TLS.
type CertificateUse uint8

// The uses of client certificates.
const (
	// CertificateIgnored: CPE log in by HTTP.
	CertificateIgnored CertificateUse = iota
	// CertificateSuffices: who has one need not log in by HTTP.
	CertificateSuffices
	// CertificateOnly: who has none is refused, nobody logs in by HTTP.
	CertificateOnly
	// CertificateAndLogin: both are needed.
	CertificateAndLogin
)

// Learned is a login of a device that no account was known for.
type Learned struct {
	Claim Claim
	// Password is empty where the login was by Digest: it has not been seen, and
	// so nothing has been proved but that the CPE uses this Username.
	Password string
	Method   string // "basic" or "digest"
}

// AccessOptions configures an Access. The zero value of a field means its default.
type AccessOptions struct {
	// Realm is shown to the CPE and part of the hash; default
	// httpauth.DefaultRealm.
	Realm string
	// Plain and Secure are the Schemes offered without and with TLS, one
	// WWW-Authenticate header each; default SchemeDigest and SchemeBasic [quirk 45].
	// Many CPE fail where they are offered two.
	Plain, Secure []Scheme
	// Unasked takes SchemeBasic and SchemeDigest also where they are not offered
	// [quirk 45].
	Unasked bool
	// SchemesFor, if not nil, returns what is offered to a device instead, nil for
	// nothing else. The device is found by a quick look at the body, and zero if
	// that finds none. Safe for concurrent use.
	SchemesFor func(cwmp.DeviceID) []Scheme

	// Accounts finds passwords; required unless Certificates is CertificateOnly.
	Accounts Accounts
	// Learn is asked about a login that Accounts knows nothing of, once the rules
	// of Usernames are kept; nil, and a returned error: it is refused. Learn keeps
	// the login so that Accounts knows it the next time: the first use is trusted.
	// Safe for concurrent use.
	Learn func(ctx context.Context, l Learned) error

	// NonceTime is how long a nonce may be used; default 5 min.
	NonceTime time.Duration
	// Key signs the nonces, so that they are good at every node that has the
	// same; default random.
	Key []byte
	// BindNonce makes a nonce good only for the address that it was sent to. A CPE
	// whose connections come from different addresses can then not log in.
	BindNonce bool

	// Usernames are the forms that the user name of a device may have, see
	// ParseTemplate; none: any.
	Usernames []string
	// Certificates says what client certificates are good for.
	Certificates CertificateUse
	// CertificateNames are the forms that the Common Name or one DNS name or URI
	// of a certificate must have; default {oui}-{serial} and
	// {oui}-{product_class}-{serial} [TR-069 3.4.4]. Whoever has a certificate is
	// held to them, even if he logs in by HTTP as well.
	CertificateNames []string

	// Lockout bounds guesses.
	Lockout LockoutOptions
}

// Access is the Authenticator of this package: HTTP Basic and Digest, client
// certificates, accounts per user and device, and a bound on guesses.
type Access struct {
	o         AccessOptions
	nonces    httpauth.Nonces
	usernames []Template
	names     []Template
	lock      *lockout
}

var _ Authenticator = (*Access)(nil)

// NewAccess checks o and returns an Access.
func NewAccess(o AccessOptions) (*Access, error) {
	if o.Accounts == nil && o.Certificates != CertificateOnly {
		return nil, errors.New("acs: access: no Accounts")
	}
	if len(o.Plain) == 0 {
		o.Plain = []Scheme{SchemeDigest}
	}
	if len(o.Secure) == 0 {
		o.Secure = []Scheme{SchemeBasic}
	}
	if len(o.CertificateNames) == 0 {
		o.CertificateNames = []string{"{oui}-{serial}", "{oui}-{product_class}-{serial}"}
	}
	o.Realm = httpauth.CleanRealm(o.Realm)
	orDefault(&o.NonceTime, 5*time.Minute)
	if len(o.Key) == 0 {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // never fails
	}
	a := &Access{
		o:      o,
		nonces: httpauth.Nonces{Realm: o.Realm, Key: o.Key, Time: o.NonceTime},
		lock:   newLockout(o.Lockout),
	}
	var err error
	if a.usernames, err = parseTemplates(o.Usernames); err != nil {
		return nil, err
	}
	a.names, err = parseTemplates(o.CertificateNames)
	return a, err
}

// proof is an Authorization header that has been read.
type proof interface {
	username() string
	method() string
	// proves reports whether it was made with password.
	proves(password, realm, httpMethod string) bool
}

// schemes is what is offered for a claim.
func (a *Access) schemes(c *Claim) []Scheme {
	if f := a.o.SchemesFor; f != nil {
		if s := f(c.Device); len(s) > 0 {
			return s
		}
	}
	if c.Secure {
		return a.o.Secure
	}
	return a.o.Plain
}

// Challenge implements Authenticator.
func (a *Access) Challenge(c *Claim, err error) []string {
	offered := a.schemes(c)
	out := make([]string, len(offered))
	for i, s := range offered {
		if s == SchemeBasic {
			out[i] = httpauth.BasicChallenge(a.o.Realm)
			continue
		}
		out[i] = a.digestChallenge(s, c.Remote.Addr(), errors.Is(err, ErrStaleNonce))
	}
	return out
}

// read finds credentials of a kind that is taken.
func (a *Access) read(c *Claim) (proof, error) {
	offered := a.schemes(c)
	takes := func(list ...Scheme) bool {
		return a.o.Unasked && list[0] != SchemeDigestSHA256 ||
			slices.ContainsFunc(list, func(s Scheme) bool { return slices.Contains(offered, s) })
	}
	for _, h := range c.Authorization {
		if user, pass, ok := httpauth.ParseBasic(h); ok && takes(SchemeBasic) {
			return &basicProof{user, pass}, nil
		}
		p, ok := parseDigest(h, c.Target)
		if !ok || p.hash == httpauth.SHA256 && !takes(SchemeDigestSHA256) ||
			p.hash == httpauth.MD5 && !takes(SchemeDigest, SchemeDigestNoQop) {
			continue
		}
		if _, fresh := a.nonces.Check(p.Nonce, a.bound(c.Remote.Addr()), time.Now()); !fresh {
			return nil, ErrStaleNonce // also that of another node, or of before a restart
		}
		return p, nil
	}
	return nil, ErrNoCredentials
}

// Screen implements Authenticator.
func (a *Access) Screen(c *Claim) error {
	switch use := a.o.Certificates; {
	case c.Certificate == nil && (use == CertificateOnly || use == CertificateAndLogin):
		return ErrNoCertificate
	case c.Certificate != nil && (use == CertificateOnly || use == CertificateSuffices):
		return a.lock.check(c)
	}
	p, err := a.read(c)
	if err != nil {
		return err // also to who is locked out: it is cheap, and not yet known who it is
	}
	c.proof, c.Username = p, p.username()
	return a.lock.check(c)
}

// Authenticate implements Authenticator.
func (a *Access) Authenticate(ctx context.Context, c *Claim) (Login, error) {
	if c.Certificate != nil && a.o.Certificates != CertificateIgnored {
		name := a.certified(c)
		if name == "" {
			a.lock.failed(c)
			return Login{}, ErrIdentity
		}
		if a.o.Certificates != CertificateAndLogin {
			a.lock.succeeded(c)
			return Login{Username: name, Method: "certificate"}, nil
		}
	}
	if c.proof == nil {
		return Login{}, ErrNoCredentials
	}
	if err := a.prove(ctx, c); err != nil {
		if errors.Is(err, ErrBadCredentials) || errors.Is(err, ErrIdentity) {
			a.lock.failed(c)
		}
		return Login{}, err
	}
	a.lock.succeeded(c)
	return Login{Username: c.Username, Method: c.proof.method()}, nil
}

func (a *Access) prove(ctx context.Context, c *Claim) error {
	passwords, err := a.o.Accounts(ctx, c)
	if err != nil {
		return fmt.Errorf("acs: accounts: %w", err)
	}
	fits := len(a.usernames) == 0 || slices.ContainsFunc(a.usernames, func(t Template) bool {
		return t.Matches(c.Username, c.Device)
	})
	if len(passwords) == 0 {
		c.proof.proves("", a.o.Realm, c.Method) // takes as long as for one that is known
		if a.o.Learn == nil {
			return ErrBadCredentials
		}
		if !fits {
			return ErrIdentity
		}
		l := Learned{Claim: *c, Method: c.proof.method()}
		if b, ok := c.proof.(*basicProof); ok {
			l.Password = b.pass
		}
		if err := a.o.Learn(ctx, l); err != nil {
			return errors.Join(ErrBadCredentials, err)
		}
		return nil
	}
	if !slices.ContainsFunc(passwords, func(p string) bool { return c.proof.proves(p, a.o.Realm, c.Method) }) {
		return ErrBadCredentials
	}
	if !fits {
		return ErrIdentity
	}
	return nil
}

// certified returns the name in the certificate that is the device's, "" if there
// is none.
func (a *Access) certified(c *Claim) string {
	for _, name := range namesOf(c.Certificate) {
		if slices.ContainsFunc(a.names, func(t Template) bool { return t.Matches(name, c.Device) }) {
			return name
		}
	}
	return ""
}

func namesOf(cert *x509.Certificate) []string {
	names := append([]string{cert.Subject.CommonName}, cert.DNSNames...)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}
