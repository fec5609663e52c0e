// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"net/http"
	"net/netip"
)

// Authorize is Client.authorize for one header.
func (c *Client) Authorize(challenge string) (string, error) {
	return c.authorize(http.Header{"Www-Authenticate": {challenge}}, "/cr", &Target{Username: "u", Password: "p"})
}

// Candidates are the URLs that Client.Request tries.
func Candidates(raw string, source netip.Addr) []string { return candidates(raw, source) }
