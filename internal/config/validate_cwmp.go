// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/uspgate/uspgate/cwmp/acs"
)

func (d *decoder) cwmp(c *CWMP) {
	d.cpeAuth("cwmp.auth", &c.Auth, &c.TLS)
	d.positive("cwmp.max_sessions", c.MaxSessions)
	d.positive("cwmp.max_connections", c.MaxConnections)
	d.positive("cwmp.max_memory", int(c.MaxMemory))
	d.networks("cwmp.proxy_from", c.ProxyFrom)
	d.networks("cwmp.forwarded_from", c.ForwardedFrom)
	d.oneOf("cwmp.forwarded_header", c.ForwardedHeader, "X-Forwarded-For", "Forwarded")
	if c.TLS.Legacy && c.TLS.Cert == "" {
		d.invalid("cwmp.tls.legacy", "there is no TLS", "set cert and key")
	}
	if c.TLS.Legacy && c.TLS.MinVersion == "1.3" {
		d.invalid("cwmp.tls.legacy", "old CPE do not know TLS 1.3", "set min_version: 1.2, or legacy: false")
	}
	mode := c.Auth.Mode
	if mode == "none" && c.Auth.Certificates == "only" {
		mode = "certificate"
	}
	d.exposed("cwmp", c.Listen, mode, c.Insecure)
	d.connectionRequest("cwmp.connection_request", &c.ConnectionRequest)
	d.profiles("cwmp.profiles", c.Profiles)
	if (c.ConnectionRequest.Username == "") != (c.ConnectionRequest.Password == "") {
		d.invalid("cwmp.connection_request", "user name and password go together", "set both or none")
	}
}

// cpeAuth checks how CPE prove who they are; t is the whole TLS block.
func (d *decoder) cpeAuth(path string, a *CPEAuth, t *CPETLS) {
	d.oneOf(path+".mode", a.Mode, "none", "digest", "basic", "auto")
	d.oneOf(path+".certificates", a.Certificates, "ignored", "suffices", "only", "and_login")
	if a.Certificates != "ignored" && t.ClientCA == "" {
		d.invalid(path+".certificates", "certificates need cwmp.tls.client_ca", "name the file of the CA that signs them")
	}
	switch {
	case a.Mode == "none" && (a.Certificates == "suffices" || a.Certificates == "and_login"):
		d.invalid(path+".certificates", "there is no login beside certificates", "set mode, or certificates: only")
	case a.Mode != "none" && a.Certificates == "only":
		d.invalid(path+".certificates", "nobody logs in where only certificates count", "set mode: none, or and_login")
	case a.Mode != "none" && len(a.Users) == 0 && !a.Imported && !a.Learn:
		d.invalid(path+".users", "nobody could log in", "add a user, or set imported: true, or mode: none")
	}
	// Nothing but the password itself is worth keeping, and Digest does not show it.
	switch {
	case a.Learn && a.Mode == "digest", a.Learn && a.Mode == "auto" && t.Cert == "" && !t.Shared:
		d.invalid(path+".learn", "CPE log in by Digest, which does not show the password",
			"set mode: basic, or mode: auto with cwmp.tls")
	case a.Learn && a.Mode == "none":
		d.invalid(path+".learn", "CPE do not log in", "set mode: basic, or mode: auto with cwmp.tls")
	}
	for i := range a.Users {
		d.cpeUser(fmt.Sprintf("%s.users[%d]", path, i), &a.Users[i])
	}
	for i, oui := range a.SHA256 {
		if oui == "" || a.Mode == "none" || a.Mode == "basic" {
			d.invalid(fmt.Sprintf("%s.sha256[%d]", path, i), "it is for OUIs, with mode digest or auto",
				`write for example ["00D09E"], or "*" for all`)
		}
	}
	d.forms(path+".usernames", a.Usernames)
	d.forms(path+".certificate_names", a.CertificateNames)
	if a.Lockout.First == 0 || a.Lockout.Max < a.Lockout.First {
		d.invalid(path+".lockout.first", "the first lockout is not between 0 and the longest",
			"write for example first: 30s, max: 15m; user_failures: 0 and address_failures: 0 turn lockouts off")
	}
}

func (d *decoder) cpeUser(path string, u *CPEUser) {
	if u.Username == "" && u.OUI == "" && u.ProductClass == "" && u.Serial == "" {
		d.invalid(path+".username", "the user has no name", "name it, or the CPE that it is for: oui, product_class, serial")
	}
	d.form(path+".username", u.Username)
	d.form(path+".password_from", u.PasswordFrom)
	switch {
	case u.Password == "" && u.PasswordFrom == "":
		d.invalid(path+".password", "the user has no password and anybody could log in",
			"set password, password_file or password_from")
	case u.Password != "" && u.PasswordFrom != "":
		d.invalid(path+".password_from", "password is set as well", "keep one of the two")
	}
}

// forms checks texts such as {oui}-{serial}.
func (d *decoder) forms(path string, list []string) {
	for i, f := range list {
		d.form(fmt.Sprintf("%s[%d]", path, i), f)
	}
}

func (d *decoder) form(path, text string) {
	if _, err := acs.ParseTemplate(text); err != nil {
		d.invalid(path, fmt.Sprintf("%q is not a form", text),
			"the fields are {oui}, {product_class}, {serial} and {manufacturer}")
	}
}

func (d *decoder) connectionRequest(path string, c *ConnectionRequest) {
	d.networks(path+".networks", c.Networks)
	d.positive(path+".max_active", c.MaxActive)
	d.positive(path+".max_per_network", c.MaxPerNetwork)
	d.positive(path+".udp.rate", c.UDP.Rate)
	for i, m := range c.Order {
		d.oneOf(fmt.Sprintf("%s.order[%d]", path, i), m, "http", "udp", "xmpp")
	}
	taken := map[string]string{}
	for i, listen := range c.UDP.Listen {
		d.addressOf("udp ", fmt.Sprintf("%s.udp.listen[%d]", path, i), listen, taken)
	}
	if x := &c.XMPP; x.DirectTLS && x.JID != "" && x.Server == "" {
		d.invalid(path+".xmpp.direct_tls", "it needs server", "write for example server: xmpp.example.com:5223")
	}
}
