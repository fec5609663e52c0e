// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// Method is a way to ask a CPE for a session. The values are labels of metrics.
type Method string

// The ways, with their names in SupportedConnReqMethods.
const (
	HTTP Method = "http" // HTTP [TR-069 3.2.2]
	UDP  Method = "udp"  // STUN [TR-069 Annex G]
	XMPP Method = "xmpp" // XMPP [TR-069 Annex K]
)

// Login is a ConnectionRequestUsername with its ConnectionRequestPassword.
type Login struct {
	Username string
	Password string
}

// CPE is what is known of a CPE that should be woken; what is not known is empty.
type CPE struct {
	// Key tells it from all others; wake-ups of one Key are one.
	Key string
	// URL is the ConnectionRequestURL.
	URL string
	// UDPAddress is the UDPConnectionRequestAddress, host:port, or host for port
	// 80.
	UDPAddress string
	// STUNUsername is the user name that the CPE has for the STUN server.
	STUNUsername string
	// JID is the ConnReqJabberID.
	JID string
	// Methods is SupportedConnReqMethods, such as "HTTP,XMPP,STUN".
	Methods string
	// Logins are tried in this order [quirk 79].
	Logins []Login
	// Source is where the last session came from, see Guard.
	Source netip.Addr
	// Last is the Method that worked last, as Report.Method told.
	Last Method
}

// Supports reports whether the CPE may understand m: that it has said so, or
// nothing at all.
func (c *CPE) Supports(m Method) bool {
	if strings.TrimSpace(c.Methods) == "" {
		return true
	}
	name := strings.ToUpper(string(m))
	if m == UDP {
		name = "STUN"
	}
	return slices.ContainsFunc(strings.Split(c.Methods, ","), func(s string) bool {
		return strings.EqualFold(strings.TrimSpace(s), name)
	})
}

// Requester sends Connection Requests in one way: a udp.Server, an xmpp.Client.
// Safe for concurrent use.
type Requester interface {
	// Reaches reports whether enough is known of the CPE to try.
	Reaches(c *CPE) bool
	// Request asks the CPE for a session, and returns to whom the request went.
	// No error means that it was sent or taken, not that the session will come
	// [quirk 77]. Errors wrap those of this package, or the cause of ctx. It does
	// not retain c.
	Request(ctx context.Context, c *CPE, l Login) (to string, err error)
}
