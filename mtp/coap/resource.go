// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"crypto/sha256"
	"encoding/base32"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"

	"github.com/uspgate/uspgate/usp"
)

// resourceSize is the length of the last segment of an Endpoint's own resource.
const resourceSize = 16

// resourceOf is the last segment of the resource by which peers reach an
// Endpoint through us. It is made from the Endpoint ID alone: the same after a
// restart, and nothing is to be remembered to know it again.
func resourceOf(id usp.EndpointID) string {
	sum := sha256.Sum256([]byte("uspgate coap resource\x00" + string(id)))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:resourceSize*5/8]))
}

// place is what an Uri-Path names.
type place uint8

const (
	placeNone     place = iota
	placeCore           // /.well-known/core
	placeGateway        // the resource of the gateway: whoever to_id says
	placeEndpoint       // that of one Endpoint
)

// placeOf returns what the Uri-Path of a request names, and the segment of an
// Endpoint.
func (n *node) placeOf(opts message.Options) (place, string) {
	base := n.opts.Path
	depth, rest := 0, base
	for i := range opts {
		if opts[i].ID != message.URIPath {
			continue
		}
		segment := opts[i].Value
		want, more, _ := strings.Cut(rest, "/")
		switch {
		case rest != "" && string(segment) == want:
			rest = more
		case rest == "" && depth > 0 && len(segment) == resourceSize:
			if i+1 < len(opts) && opts[i+1].ID == message.URIPath {
				return placeNone, ""
			}
			return placeEndpoint, string(segment)
		default:
			return core(opts), ""
		}
		depth++
	}
	if rest == "" && depth > 0 {
		return placeGateway, ""
	}
	return core(opts), ""
}

// core recognizes the resource of discovery [RFC 6690].
func core(opts message.Options) place {
	path, err := opts.Path()
	if err == nil && strings.TrimPrefix(path, "/") == ".well-known/core" {
		return placeCore
	}
	return placeNone
}

// listing is the link of our resource [R-COAP.1], empty if the query of a
// request filters for something else [RFC 6690 4.1].
func (n *node) listing(opts message.Options) string {
	ifs := n.role.interfaces()
	for i := range opts {
		if opts[i].ID != message.URIQuery {
			continue
		}
		name, want, _ := strings.Cut(string(opts[i].Value), "=")
		have := map[string]string{"rt": "bbf.usp.endpoint", "if": ifs, "href": "/" + n.opts.Path}[name]
		if have != "" && !matches(strings.Fields(have), want) {
			return ""
		}
	}
	return "</" + n.opts.Path + `>;rt="bbf.usp.endpoint";if="` + ifs + `"`
}

// matches reports whether one of values is want, which may end in *.
func matches(values []string, want string) bool {
	prefix, wild := strings.CutSuffix(want, "*")
	for _, v := range values {
		if v == want || wild && strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}

// replyURI is where the host at remote can send what is for the Endpoint id
// [R-COAP.2]: a resource of ours, never an address of the other side.
func (n *node) replyURI(id usp.EndpointID, remote netip.Addr) string {
	scheme, port := schemePlain, n.local.Port()
	if n.secure != nil {
		scheme = schemeSecure
	}
	host := ""
	if n.opts.Advertise != "" {
		h, p, err := splitAdvertise(n.opts.Advertise)
		if err == nil {
			host = h
		}
		if p != 0 {
			port = p
		}
	}
	if host == "" {
		host = n.localFor(remote).WithZone("").String() // a zone is ours only
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/" + n.opts.Path + "/" + resourceOf(id)
}
