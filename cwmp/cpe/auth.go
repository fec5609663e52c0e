// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

// authorizer answers the challenges of an ACS, HTTP Basic and Digest
// [TR-069 3.4.4]. Digest is preferred where both are offered.
type authorizer struct {
	username string
	password string
	basic    bool
	digest   *digest.Challenge
	count    int
}

// reset forgets the challenge, for another server.
func (a *authorizer) reset() { a.basic, a.digest, a.count = false, nil, 0 }

// challenge keeps what the 401 asks for.
func (a *authorizer) challenge(h http.Header) error {
	if a.username == "" && a.password == "" {
		return fmt.Errorf("%w: it wants some and there are none", ErrUnauthorized)
	}
	chal, err := digest.FindChallenge(h)
	switch {
	case err == nil:
		for i := range chal.QOP { // "auth, auth-int" [TR-069 3.4.4]
			chal.QOP[i] = strings.TrimSpace(chal.QOP[i])
		}
		a.basic, a.digest, a.count = false, chal, 0
		return nil
	case !errors.Is(err, digest.ErrNoChallenge):
		return fmt.Errorf("challenge of the ACS: %w", err)
	}
	for _, v := range h.Values("WWW-Authenticate") {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(v), " "); strings.EqualFold(scheme, "Basic") {
			a.basic, a.digest = true, nil
			return nil
		}
	}
	return fmt.Errorf("%w: no challenge that can be answered", ErrUnauthorized)
}

// stale reports whether a 401 only says that the nonce is too old.
func (a *authorizer) stale(h http.Header) bool {
	chal, err := digest.FindChallenge(h)
	return err == nil && chal.Stale && a.digest != nil && chal.Nonce != a.digest.Nonce
}

// authorize adds the credentials, once there was a challenge.
func (a *authorizer) authorize(req *http.Request) error {
	switch {
	case a.digest != nil:
		a.count++
		cred, err := digest.Digest(a.digest, digest.Options{
			Method: req.Method, URI: req.URL.RequestURI(), GetBody: req.GetBody,
			Count: a.count, Username: a.username, Password: a.password,
		})
		if err != nil {
			return fmt.Errorf("answer the challenge: %w", err)
		}
		req.Header.Set("Authorization", cred.String())
	case a.basic:
		req.SetBasicAuth(a.username, a.password)
	}
	return nil
}
