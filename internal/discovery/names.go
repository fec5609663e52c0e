// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Local is the domain that is looked up by Multicast DNS [R-DIS.5].
const Local = "local"

// maxLabel is what one label of a domain name holds.
const maxLabel = 63

// metaQuery is the name at which all services of a domain are listed
// [RFC 6763 9].
const metaQuery = "_services._dns-sd._udp."

// ServiceType is one of the services that USP has registered: a role on an MTP.
type ServiceType struct {
	Role usp.Role
	Kind mtp.Kind
}

// AllServiceTypes returns every one. Unix domain sockets are never advertised.
func AllServiceTypes() []ServiceType {
	var all []ServiceType
	for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
		for _, kind := range []mtp.Kind{mtp.WebSocket, mtp.MQTT, mtp.STOMP, mtp.CoAP} {
			all = append(all, ServiceType{role, kind})
		}
	}
	return all
}

// String returns the two labels of the service, _usp-agt-ws._tcp for example,
// and "" for what has none.
func (t ServiceType) String() string {
	var role, kind string
	switch t.Role {
	case usp.RoleAgent:
		role = "_usp-agt-"
	case usp.RoleController:
		role = "_usp-ctr-"
	default:
		return ""
	}
	switch t.Kind {
	case mtp.WebSocket:
		kind = "ws._tcp"
	case mtp.MQTT:
		kind = "mqtt._tcp"
	case mtp.STOMP:
		kind = "stomp._tcp"
	case mtp.CoAP:
		kind = "coap._udp"
	default:
		return ""
	}
	return role + kind
}

// in is the name of the service in a domain.
func (t ServiceType) in(domain string) string { return t.String() + "." + dns.Fqdn(domain) }

// instance is the name of an Endpoint [R-DIS.8].
func (t ServiceType) instance(id usp.EndpointID, domain string) string {
	return escapeLabel(string(id)) + "." + t.in(domain)
}

// endpointOf is the inverse of instance for one service.
func (t ServiceType) endpointOf(name, domain string) (usp.EndpointID, error) {
	at, end := dns.NextLabel(name, 0)
	if end || !strings.EqualFold(name[at:], t.in(domain)) {
		return "", fmt.Errorf("%q is no instance of %s", name, t.in(domain))
	}
	return parseEndpoint(unescape(name[:at-1]))
}

// parseEndpoint takes s as an Endpoint ID if it could be one. The scheme is not
// checked: to the gateway the ID is opaque.
func parseEndpoint(s string) (usp.EndpointID, error) {
	if s == "" || len(s) > maxLabel {
		return "", fmt.Errorf("an Endpoint ID of %d bytes does not fit into a label of 1 to %d", len(s), maxLabel)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return "", fmt.Errorf("%q is not an Endpoint ID", s)
		}
	}
	return usp.EndpointID(s), nil
}

// escapeLabel writes s as one label in the presentation form of the library,
// which is also the one that it reads into.
func escapeLabel(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte(`."\ '@;()`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape is the inverse for labels and for the strings of TXT records.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b = append(b, s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		case i+1 < len(s):
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// same compares names as DNS does; lower makes one a key.
func same(a, b string) bool    { return strings.EqualFold(a, b) }
func lower(name string) string { return strings.ToLower(name) }

// txtStrings are the strings of the TXT record: path and name, which Agents must
// have [R-DIS.9, R-DIS.10] and Controllers of path [R-DIS.11], and encrypt
// [R-DIS.11a].
func (s *Service) txtStrings() []string {
	txt := []string{"path=" + s.Path}
	if s.Role == usp.RoleAgent || s.Name != "" {
		name := "name=" + s.Name
		txt = append(txt, name[:min(len(name), 255)])
	}
	if s.Encrypt {
		txt = append(txt, "encrypt")
	}
	for i := range txt {
		txt[i] = strings.ReplaceAll(txt[i], `\`, `\\`)
	}
	return txt
}

// properties are what a TXT record says of an Endpoint; of a key that comes
// twice the first one counts [RFC 6763 6.4].
type properties struct {
	path, name string
	encrypt    bool
}

func parseTXT(txt []string) properties {
	var p properties
	seen := map[string]bool{}
	for _, s := range txt[:min(len(txt), 32)] {
		key, value, _ := strings.Cut(unescape(s), "=")
		key = lower(key)
		if seen[key] {
			continue
		}
		seen[key] = true
		switch key {
		case "path":
			p.path = value
		case "name":
			p.name = value
		case "encrypt":
			p.encrypt = true
		}
	}
	return p
}

// check refuses what cannot be advertised.
func (s *Service) check() error {
	t := ServiceType{s.Role, s.Kind}
	if t.String() == "" {
		return fmt.Errorf("discovery: %s: the role %v on %s has no service", s.EndpointID, s.Role, s.Kind)
	}
	if _, err := parseEndpoint(string(s.EndpointID)); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	if s.Port == 0 {
		return fmt.Errorf("discovery: %s: a service needs a port", s.EndpointID)
	}
	if len(s.Path) > 250 {
		return errors.New("discovery: a path has at most 250 bytes")
	}
	for _, sub := range s.Subtypes {
		if sub == "" || len(sub) > maxLabel {
			return fmt.Errorf("discovery: %s: %q is no subtype", s.EndpointID, sub)
		}
	}
	return nil
}
