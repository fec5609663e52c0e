// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/subtle"
	"errors"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// realm is what CPE are shown in a challenge.
const realm = "uspgate"

// errLogin does not say whether user or password is wrong.
var errLogin = errors.New("user name or password wrong")

// users are the credentials of one listener.
type users map[string]config.User

func newUsers(list []config.User) users {
	u := make(users, len(list))
	for _, user := range list {
		u[user.Username] = user
	}
	return u
}

// identify checks a login. A user with an Endpoint ID is that Endpoint; one
// without may claim any.
func (u users) identify(name, password string) (mtp.Identity, error) {
	user, ok := u[name]
	match := subtle.ConstantTimeCompare([]byte(user.Password.Reveal()), []byte(password)) == 1
	if !ok || !match {
		return mtp.Identity{}, errLogin
	}
	id := mtp.Identity{Method: "password"}
	if user.EndpointID != "" {
		id.IDs = []usp.EndpointID{usp.EndpointID(user.EndpointID)}
	}
	return id, nil
}

// lookup is acs.Credentials.
func (u users) lookup(name string) (string, bool) {
	user, ok := u[name]
	return user.Password.Reveal(), ok
}

// cpeAuth makes the authenticator of CPE; nil lets everybody in. Nonces are made
// with key; nil: with one of its own.
func cpeAuth(c *config.Auth, key []byte) (acs.Authenticator, error) {
	switch c.Mode {
	case "basic":
		return acs.NewBasic(realm, newUsers(c.Users).lookup)
	case "digest":
		return acs.NewDigest(acs.DigestOptions{Realm: realm, Lookup: newUsers(c.Users).lookup, Key: key})
	default:
		return nil, nil //nolint:nilnil // no authentication is no error
	}
}
