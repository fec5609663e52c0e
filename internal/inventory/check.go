// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/uspgate/uspgate/cwmp"
)

// check returns what is wrong with d, in sentences.
func (d *Device) check() []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	key := d.ID.Key()
	d.ID.OUI, d.ID.ProductClass, d.ID.SerialNumber = key.OUI, key.ProductClass, key.SerialNumber
	d.ID.Manufacturer = strings.TrimSpace(d.ID.Manufacturer)
	d.ConnectionRequestURL = strings.TrimSpace(d.ConnectionRequestURL)
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"oui", d.ID.OUI, maxText},
		{"product_class", d.ID.ProductClass, maxText},
		{"serial", d.ID.SerialNumber, maxText},
		{"manufacturer", d.ID.Manufacturer, maxText},
		{"username", d.ACS.Username, maxText},
		{"password", d.ACS.Password, maxText},
		{"connection_request_username", d.ConnectionRequest.Username, maxText},
		{"connection_request_password", d.ConnectionRequest.Password, maxText},
		{"connection_request_url", d.ConnectionRequestURL, maxURL},
	} {
		switch {
		case len(f.value) > f.limit:
			say("%s has %d bytes; shorten it to %d", f.name, len(f.value), f.limit)
		case !utf8.ValidString(f.value):
			say("%s is not UTF-8; save the file as UTF-8", f.name)
		case strings.ContainsFunc(f.value, unicode.IsControl):
			say("%s has a control character in it; remove it", f.name)
		}
	}
	wrong = append(wrong, spoilt(key)...)
	wrong = append(wrong, checkLogin("", d.ACS)...)
	wrong = append(wrong, checkLogin("connection_request_", d.ConnectionRequest)...)
	if d.ConnectionRequestURL != "" {
		if err := checkURL(d.ConnectionRequestURL); err != nil {
			say("connection_request_url %v; write for example http://192.0.2.7:7547/x, or leave it empty", err)
		}
	}
	return append(wrong, d.checkTags()...)
}

// Numbers that a spreadsheet has made of what were none.
var (
	scientific = regexp.MustCompile(`^[0-9][.,][0-9]+E\+[0-9]+$`)
	fewDigits  = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// spoilt looks whether an identity is one.
func spoilt(key cwmp.DeviceID) []string {
	var wrong []string
	switch {
	case key.SerialNumber == "":
		wrong = append(wrong, "there is no serial number; fill it in as the CPE has it in its Inform")
	case scientific.MatchString(strings.ToUpper(key.SerialNumber)):
		wrong = append(wrong, "the serial number is as a spreadsheet writes large numbers; "+
			"make the column text and fill it in anew")
	}
	switch {
	case key.OUI == "":
		wrong = append(wrong, "there is no OUI; fill it in as the CPE has it in its Inform, six hex digits mostly")
	case fewDigits.MatchString(key.OUI):
		wrong = append(wrong, "the OUI has lost its zeros, as in a spreadsheet; make the column text and fill it in anew")
	}
	return wrong
}

func checkLogin(prefix string, l Login) []string {
	switch {
	case l.Username == "" && l.Password != "":
		return []string{prefix + "password is there without " + prefix + "username; fill in both or none"}
	case l.Username != "" && l.Password == "":
		return []string{prefix + "username is there without " + prefix + "password; fill in both or none"}
	case prefix == "" && strings.Contains(l.Username, ":"):
		return []string{"username has a colon in it, which HTTP Basic can not carry; choose another one"}
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("is no URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("is not http://host:port/path")
	case u.User != nil:
		return errors.New("has a login in it")
	}
	return nil
}

func (d *Device) checkTags() []string {
	if len(d.Tags) > maxTags {
		return []string{fmt.Sprintf("there are %d tags; keep %d", len(d.Tags), maxTags)}
	}
	for _, t := range d.Tags {
		if len(t) > maxText || !utf8.ValidString(t) || strings.ContainsFunc(t, unicode.IsControl) {
			return []string{"the tag " + strconv.Quote(short(t)) + " is too long, or no text; shorten it to " +
				strconv.Itoa(maxText) + " bytes"}
		}
	}
	return nil
}

// ParseID reads OUI-ProductClass-SerialNumber, or OUI-SerialNumber, percent-encoded
// as cwmp.DeviceID.String writes it and GenieACS its _id [TR-069 3.4.4].
func ParseID(text string) (cwmp.DeviceID, error) {
	parts := strings.Split(text, "-")
	for i, p := range parts {
		decoded, err := url.PathUnescape(p)
		if err != nil {
			return cwmp.DeviceID{}, fmt.Errorf("%q is no identity of a CPE: %w", short(text), err)
		}
		parts[i] = decoded
	}
	switch len(parts) {
	case 2:
		return cwmp.DeviceID{OUI: parts[0], SerialNumber: parts[1]}.Key(), nil
	case 3:
		return cwmp.DeviceID{OUI: parts[0], ProductClass: parts[1], SerialNumber: parts[2]}.Key(), nil
	default:
		return cwmp.DeviceID{}, fmt.Errorf("%q is no identity of a CPE; it is OUI-ProductClass-SerialNumber, "+
			"with a hyphen within these as %%2D", short(text))
	}
}
