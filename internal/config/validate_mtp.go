// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// schemes are those of MTP.Connect by type.
//
//nolint:gochecknoglobals // a constant table
var schemes = map[string][]string{
	"websocket": {"ws", "wss"}, "mqtt": {"mqtt", "mqtts"}, "stomp": {"stomp", "stomps"},
	"coap": {"coap", "coaps"}, "uds": {"unix"},
}

func (d *decoder) mtp(path string, m *MTP) {
	if m.Name == "" {
		d.invalid(path+".name", "the binding has no name", "name it, for example "+m.Type)
	}
	d.oneOf(path+".type", m.Type, types...)
	d.oneOf(path+".role", m.Role, "unknown", "agent", "controller")
	if !slices.Contains(types, m.Type) {
		return
	}
	d.foreignKeys(path, m)
	if m.Client() {
		d.client(path, m)
	} else {
		d.server(path, m)
	}
	d.names(path, m)
	d.patterns(path+".speaks_for", m.SpeaksFor)
	d.networks(path+".reply_to", m.ReplyTo)
	if m.Trunk && len(m.SpeaksFor) == 0 {
		d.invalid(path+".speaks_for", "a trunk speaks for many Endpoints, and none is named",
			`name them, for example ["ops::00D09E-*"]`)
	}
}

// foreignKeys reports keys that stand in the file and belong to another type or
// role.
func (d *decoder) foreignKeys(path string, m *MTP) {
	t := reflect.TypeFor[MTP]()
	for i := range t.NumField() {
		f := t.Field(i)
		at := path + "." + f.Tag.Get("yaml")
		if _, written := d.at[at]; !written || m.applies(f.Tag.Get("for"), f.Tag.Get("side")) {
			continue
		}
		switch {
		case f.Name == "Listen":
			d.invalid(at, "the binding has connect and cannot listen too", "make it two bindings")
		case !of(m.Type, f.Tag.Get("for")):
			d.invalid(at, "not a key of type "+m.Type, "it is for "+typesOf(f.Tag.Get("for")))
		case m.Client():
			d.invalid(at, "a key of the server role", "the binding has connect, which makes it a client")
		default:
			d.invalid(at, "a key of the client role", "the binding has no connect, which makes it a server")
		}
	}
}

// of reports whether a tag "for" names the type, in whatever role.
func of(typ, tag string) bool {
	return tag == "" || slices.Contains(strings.Split(typesOf(tag), ", "), typ)
}

// typesOf lists the types of a tag "for".
func typesOf(tag string) string {
	names := strings.Split(tag, ",")
	for i := range names {
		names[i], _, _ = strings.Cut(names[i], "/")
	}
	return strings.Join(names, ", ")
}

func (d *decoder) server(path string, m *MTP) {
	modes := []string{"none", "password", "certificate"}
	switch m.Type {
	case "coap":
		modes = []string{"none", "certificate"}
	case "uds":
		modes = []string{"none"}
		if _, err := strconv.ParseUint(m.Mode, 8, 9); err != nil {
			d.invalid(path+".mode", fmt.Sprintf("%q is not an octal mode", m.Mode), "write for example 0660")
		}
		if m.Presents == "" && !m.Trunk {
			d.invalid(path+".presents", "the socket shows no Endpoint", "name the one that is behind it [R-UDS.17]")
		}
	}
	d.auth(path+".auth", &m.Auth, modes...)
	if m.Auth.Mode == "certificate" && m.TLS.ClientCA == "" && !m.TLS.Shared {
		d.invalid(path+".auth.mode", "certificates need tls.client_ca", "name the file of the CA that signs them")
	}
	for i, u := range m.Auth.Users {
		if u.EndpointID != "" {
			d.endpointID(fmt.Sprintf("%s.auth.users[%d].endpoint_id", path, i), u.EndpointID)
		}
	}
	if m.applies("websocket/server,coap", "") && !strings.HasPrefix(m.Path, "/") {
		d.invalid(path+".path", fmt.Sprintf("%q does not begin with /", m.Path), "write for example /usp")
	}
	d.positive(path+".max_connections", m.MaxConnections)
	d.networks(path+".proxy_from", m.ProxyFrom)
	if m.Type != "uds" {
		d.exposed(path, m.Listen, m.Auth.Mode, m.Insecure)
	}
}

func (d *decoder) client(path string, m *MTP) {
	u, err := url.Parse(m.Connect)
	if err != nil || !slices.Contains(schemes[m.Type], u.Scheme) {
		d.invalid(path+".connect", fmt.Sprintf("%q is not a URL of type %s", m.Connect, m.Type),
			"it begins with "+strings.Join(schemes[m.Type], ":// or ")+"://")
	} else if u.User != nil {
		d.invalid(path+".connect", "credentials do not belong into the URL", "set username and password or password_file")
	}
	d.oneOf(path+".link", m.Link, "shared", "per_agent")
	switch {
	case m.Link == "per_agent" && m.Peer == "":
		d.invalid(path+".peer", "a connection per Agent is for one Controller, and none is named",
			"write for example self::controller")
	case m.Link == "per_agent" && m.Role != "controller":
		d.invalid(path+".role", "only a Controller can be given one connection per Agent", "set role: controller")
	case m.Type == "stomp" && m.Role == "unknown":
		d.invalid(path+".role", "on somebody else's broker it cannot be found out", "set agent or controller")
	}
	switch {
	case m.Type == "uds":
		if m.Presents == "" && !m.Trunk {
			d.invalid(path+".presents", "the connection shows no Endpoint", "name the one that is behind it [R-UDS.16]")
		}
	case m.Link == "per_agent":
		if m.EndpointID != "" {
			d.invalid(path+".endpoint_id", "every Agent has a connection under its own", "leave it out, or set link: shared")
		}
	case m.EndpointID == "" && m.Type != "coap":
		d.invalid(path+".endpoint_id", "the connection has no Endpoint ID to show", "write for example self::gateway")
	}
	d.oneOf(path+".version", m.Version, "5", "3.1.1")
	d.positive(path+".dial_rate", m.DialRate)
	d.patterns(path+".represents", m.Represents)
	for i, a := range m.SourceAddresses {
		if _, err := netip.ParseAddr(a); err != nil {
			d.invalid(fmt.Sprintf("%s.source_addresses[%d]", path, i), fmt.Sprintf("%q is not an address", a),
				"write for example 192.0.2.7")
		}
	}
	if m.Retry.Multiplier < 1000 {
		d.invalid(path+".retry.multiplier", "below 1000 the waits would shrink", "write for example 2000")
	}
	d.certificates(path+".agent_certificates", &m.AgentCertificates)
}

func (d *decoder) certificates(path string, c *AgentCertificates) {
	d.oneOf(path+".mode", c.Mode, "trusted_broker", "wildcard", "per_agent")
	if c.Mode == "per_agent" && (c.CACert == "" || c.CAKey == "") {
		d.invalid(path, "certificates are issued by a CA", "set ca_cert and ca_key")
	}
	if c.Mode == "wildcard" && len(c.Files) == 0 {
		d.invalid(path+".files", "there is no certificate", "name one with its key per OUI")
	}
}

func (d *decoder) networks(path string, list []string) {
	for i, n := range list {
		if _, err := netip.ParsePrefix(n); err != nil {
			d.invalid(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is not a network", n),
				"write for example 10.0.0.0/8")
		}
	}
}

// names checks templates and the Endpoint IDs of a binding.
func (d *decoder) names(path string, m *MTP) {
	if m.Type == "mqtt" {
		d.templates(path+".topics", &m.Topics, d.topic)
		if m.Presence != "" {
			d.topic(path+".presence", m.Presence)
		}
	}
	if m.Type == "stomp" {
		d.templates(path+".destinations", &m.Destinations, d.destination)
	}
	for key, id := range map[string]string{"endpoint_id": m.EndpointID, "peer": m.Peer, "presents": m.Presents} {
		if id != "" {
			d.endpointID(path+"."+key, id)
		}
	}
}

func (d *decoder) templates(path string, t *Topics, check func(path, text string)) {
	check(path+".agent", t.Agent)
	check(path+".controller", t.Controller)
	if t.Agent == t.Controller {
		d.invalid(path, "agent and controller are the same",
			"make them differ: an Agent and a Controller may share an Endpoint ID")
	}
}

func (d *decoder) destination(path, text string) {
	if strings.Count(text, "{endpoint_id}") != 1 {
		d.invalid(path, fmt.Sprintf("%q does not hold {endpoint_id} once", text),
			"write for example /queue/usp.v1.agent.{endpoint_id}")
	}
}

// patterns checks Endpoint IDs in which * stands for any characters.
func (d *decoder) patterns(path string, list []string) {
	for i, p := range list {
		d.pattern(fmt.Sprintf("%s[%d]", path, i), p)
	}
}

func (d *decoder) pattern(path, p string) {
	if strings.Contains(p, "*") {
		return
	}
	if _, err := usp.ParseEndpointID(p); err != nil {
		d.invalid(path, err.Error(), `write for example ops::00D09E-*`)
	}
}

// listener checks where a server listens.
func (d *decoder) listener(path string, m *MTP, taken map[string]string) {
	switch {
	case m.Client() && m.Listen == "":
	case m.Type == "uds":
		if m.Listen == "" {
			d.invalid(path, "the binding has neither listen nor connect", "name the socket, for example /run/uspgate/agent.sock")
		} else if other, ok := taken[m.Listen]; ok {
			d.invalid(path, m.Listen+" is taken by "+other, "choose another path")
		}
		taken[m.Listen] = path
	case m.Type == "coap":
		d.addressOf("udp ", path, m.Listen, taken)
	default:
		d.addressOf("", path, m.Listen, taken)
	}
}

// relay checks what refers to bindings: routes, aliases, Controllers.
func (d *decoder) relay(cfg *Config) {
	shared := map[string]bool{}
	for i := range cfg.MTP {
		shared[cfg.MTP[i].Name] = cfg.MTP[i].Shared()
	}
	via := func(path, name, destination string) {
		if ok, known := shared[name]; name != "" && !known {
			d.invalid(path, fmt.Sprintf("there is no binding %q", name), "name one of mtp")
		} else if name != "" && !ok {
			d.invalid(path, fmt.Sprintf("each connection of %q has an Endpoint of its own", name),
				"name a trunk or a shared connection to a broker")
		} else if name == "" && destination != "" {
			d.invalid(path, "a destination means nothing without a binding", "name the binding")
		}
	}
	for i, r := range cfg.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		d.pattern(path+".endpoint_id", r.EndpointID)
		d.oneOf(path+".role", r.Role, "agent", "controller")
		d.patterns(path+".allow_from", r.AllowFrom)
		via(path+".via", r.Via, r.Destination)
		for j, name := range r.Fallback {
			via(fmt.Sprintf("%s.fallback[%d]", path, j), name, "")
		}
	}
	for i, r := range cfg.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		for key, p := range map[string]string{"from": r.From, "to": r.To} {
			if p != "" {
				d.pattern(path+"."+key, p)
			}
		}
		d.oneOf(path+".role", cmp.Or(r.Role, "unknown"), "unknown", "agent", "controller")
		d.oneOf(path+".action", r.Action, "allow", "deny")
	}
	for i, a := range cfg.Aliases {
		path := fmt.Sprintf("aliases[%d]", i)
		d.endpointID(path+".alias", a.Alias)
		d.endpointID(path+".endpoint_id", a.EndpointID)
	}
	for i, c := range cfg.Controllers {
		via(fmt.Sprintf("controllers[%d].mtp", i), c.MTP, c.Destination)
	}
}
