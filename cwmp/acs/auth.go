// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"errors"
	"net/http"
)

// Reasons why an Authenticator turns a request away.
var (
	// ErrNoCredentials: the request has no credentials of the kind wanted.
	ErrNoCredentials = errors.New("acs: no credentials")
	// ErrBadCredentials: the user is unknown or the password wrong.
	ErrBadCredentials = errors.New("acs: bad credentials")
	// ErrStaleNonce: right, but for a nonce that has expired.
	ErrStaleNonce = errors.New("acs: stale nonce")
)

// Credentials looks up the password of a user; ok is false for an unknown one.
// Safe for concurrent use.
type Credentials func(username string) (password string, ok bool)

// Authenticator authenticates the Inform of a CPE. Later POSTs of the session
// are known by cookie or connection and are not authenticated again.
// Implementations are safe for concurrent use.
type Authenticator interface {
	// Authenticate looks at method and header of r and returns who sent it, or
	// one of ErrNoCredentials, ErrBadCredentials and ErrStaleNonce.
	Authenticate(r *http.Request) (username string, err error)
	// Challenge returns the WWW-Authenticate header for a 401 after err.
	Challenge(err error) string
}
