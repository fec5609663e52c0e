// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import "net/http"

// Authorize is Client.authorize for one header.
func (c *Client) Authorize(challenge string) (string, error) {
	return c.authorize(http.Header{"Www-Authenticate": {challenge}}, "/cr", &Target{Username: "u", Password: "p"})
}
