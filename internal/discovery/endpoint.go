// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Endpoint is one that was found, with all that is needed to connect to it.
type Endpoint struct {
	EndpointID usp.EndpointID
	Role       usp.Role
	Kind       mtp.Kind
	// Name, Path and Encrypt are those of Service.
	Name    string
	Path    string
	Encrypt bool
	// Host and Port are where it is, Addrs the addresses of Host, sorted, IPv4
	// first.
	Host  string
	Port  uint16
	Addrs []netip.Addr
	// URL is what a client binding dials. It holds an address where Host is a
	// name in local, which resolvers need not know.
	URL string
}

// Event is an Endpoint that was found, or has changed, or, with Lost, is gone.
type Event struct {
	Lost     bool
	Endpoint Endpoint
}

// schemes are those of URLs by MTP, in the clear and encrypted.
func schemes(kind mtp.Kind, encrypt bool) string {
	plain, secure := "", ""
	switch kind {
	case mtp.WebSocket:
		plain, secure = "ws", "wss"
	case mtp.MQTT:
		plain, secure = "mqtt", "mqtts"
	case mtp.STOMP:
		plain, secure = "stomp", "stomps"
	case mtp.CoAP:
		plain, secure = "coap", "coaps"
	default:
	}
	if encrypt {
		return secure
	}
	return plain
}

// address makes the URL. The path of MQTT and STOMP is a topic or destination
// and no part of it.
func (e *Endpoint) address() string {
	host := strings.TrimSuffix(e.Host, ".")
	if len(e.Addrs) > 0 && isLocal(e.Host) {
		host = e.Addrs[0].String()
	}
	u := url.URL{
		Scheme: schemes(e.Kind, e.Encrypt),
		Host:   net.JoinHostPort(host, strconv.Itoa(int(e.Port))),
	}
	if e.Kind == mtp.WebSocket || e.Kind == mtp.CoAP {
		u.Path = "/" + strings.TrimPrefix(e.Path, "/")
	}
	return u.String()
}

func (e *Endpoint) equal(o *Endpoint) bool {
	return e.EndpointID == o.EndpointID && e.Role == o.Role && e.Kind == o.Kind && e.Name == o.Name &&
		e.Path == o.Path && e.Encrypt == o.Encrypt && e.Host == o.Host && e.Port == o.Port && e.URL == o.URL &&
		slices.Equal(e.Addrs, o.Addrs)
}
