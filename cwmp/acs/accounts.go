// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"errors"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Account is a password for one CPE or for many.
type Account struct {
	// Username is a Template: {oui}-{serial} is the user name of many CPE. Empty:
	// any user name.
	Username string
	// Password, or PasswordFrom, a Template that makes it: some CPE come with
	// their serial number for a password.
	Password, PasswordFrom string
	// Devices are those who may use it.
	Devices DevicePattern
}

// DevicePattern is a set of devices. In each field * stands for any text; an empty
// one means any.
type DevicePattern struct{ OUI, ProductClass, SerialNumber string }

// Matches reports whether id is one of them.
func (p DevicePattern) Matches(id cwmp.DeviceID) bool {
	id = id.Key()
	return glob(strings.ToUpper(p.OUI), id.OUI) && glob(p.ProductClass, id.ProductClass) &&
		glob(p.SerialNumber, id.SerialNumber)
}

// glob reports whether s is pattern, in which * stands for any text.
func glob(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	head, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return s == pattern
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	for {
		var part string
		part, rest, ok = strings.Cut(rest, "*")
		if !ok {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
}

// account is one that has been read.
type account struct {
	username, password Template
	anyone             bool
	devices            DevicePattern
}

// NewAccounts returns the Accounts of a list. Those with one user name each are
// found at once, however many they are; the others are gone through in turn. All
// that fit a claim are good.
func NewAccounts(list []Account) (Accounts, error) {
	byName := make(map[string][]account)
	var forms []account
	for i := range list {
		l := &list[i]
		a := account{anyone: l.Username == "", devices: l.Devices, password: Template{parts: []string{l.Password}}}
		var err error
		if a.username, err = ParseTemplate(l.Username); err != nil {
			return nil, err
		}
		if l.PasswordFrom != "" {
			if l.Password != "" {
				return nil, errors.New("acs: account with both Password and PasswordFrom")
			}
			if a.password, err = ParseTemplate(l.PasswordFrom); err != nil {
				return nil, err
			}
		}
		if a.anyone || !a.username.fixed() {
			forms = append(forms, a)
		} else {
			byName[l.Username] = append(byName[l.Username], a)
		}
	}
	return func(_ context.Context, c *Claim) (passwords []string, err error) {
		for _, a := range byName[c.Username] {
			passwords = a.appendTo(passwords, c)
		}
		for _, a := range forms {
			if a.anyone || a.username.Matches(c.Username, c.Device) {
				passwords = a.appendTo(passwords, c)
			}
		}
		return passwords, nil
	}, nil
}

func (a *account) appendTo(passwords []string, c *Claim) []string {
	if !a.devices.Matches(c.Device) {
		return passwords
	}
	p := a.password.Expand(c.Device)
	if p == "" && !a.password.fixed() {
		return passwords // a device without a serial number has no password
	}
	return append(passwords, p)
}
