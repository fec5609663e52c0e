// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/subtle"
	"errors"
	"time"

	"github.com/uspgate/uspgate/cwmp"
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

// cpeAuth makes the authenticator of CPE; nil lets everybody in. Nonces are made
// with key; nil: with one of its own. Kept are the logins beside those of the
// configuration.
func cpeAuth(c *config.CPEAuth, key []byte, kept *keptLogins) (acs.Authenticator, error) {
	if c.Mode == "none" && c.Certificates == "ignored" {
		return nil, nil //nolint:nilnil // no authentication is no error
	}
	accounts, err := cpeAccounts(c.Users)
	if err != nil {
		return nil, err
	}
	if c.Imported || c.Learn {
		accounts = kept.beside(accounts, c.Imported, c.Learn)
	}
	o := acs.AccessOptions{
		Realm: realm, Unasked: c.Unasked, SchemesFor: schemesFor(c.SHA256), Accounts: accounts, Key: key,
		Usernames: c.Usernames, Certificates: certificateUse(c.Certificates), CertificateNames: c.CertificateNames,
		Lockout: acs.LockoutOptions{
			UserFailures: orNever(c.Lockout.UserFailures), AddressFailures: orNever(c.Lockout.AddressFailures),
			First: time.Duration(c.Lockout.First), Max: time.Duration(c.Lockout.Max),
		},
	}
	if c.Learn {
		o.Learn = kept.learn
	}
	switch c.Mode { // auto is the default of acs [quirk 45]
	case "basic":
		o.Plain, o.Secure = []acs.Scheme{acs.SchemeBasic}, []acs.Scheme{acs.SchemeBasic}
	case "digest":
		o.Plain, o.Secure = []acs.Scheme{acs.SchemeDigest}, []acs.Scheme{acs.SchemeDigest}
	}
	return acs.NewAccess(o)
}

func cpeAccounts(list []config.CPEUser) (acs.Accounts, error) {
	accounts := make([]acs.Account, len(list))
	for i := range list {
		u := &list[i]
		accounts[i] = acs.Account{
			Username: u.Username, Password: u.Password.Reveal(), PasswordFrom: u.PasswordFrom,
			Devices: acs.DevicePattern{OUI: u.OUI, ProductClass: u.ProductClass, SerialNumber: u.Serial},
		}
	}
	return acs.NewAccounts(accounts)
}

// schemesFor offers SHA-256 to the CPE of these OUIs.
func schemesFor(ouis []string) func(cwmp.DeviceID) []acs.Scheme {
	if len(ouis) == 0 {
		return nil
	}
	sha256 := []acs.Scheme{acs.SchemeDigestSHA256}
	return func(id cwmp.DeviceID) []acs.Scheme {
		for _, oui := range ouis {
			if (acs.DevicePattern{OUI: oui}).Matches(id) {
				return sha256
			}
		}
		return nil
	}
}

func certificateUse(name string) acs.CertificateUse {
	switch name {
	case "suffices":
		return acs.CertificateSuffices
	case "only":
		return acs.CertificateOnly
	case "and_login":
		return acs.CertificateAndLogin
	default:
		return acs.CertificateIgnored
	}
}

// orNever is the value of a bound of which 0 means none.
func orNever(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
