// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import "crypto/tls"

// AtLeastTLS12 returns a copy of c, which is not nil, without the versions before
// 1.2 [R-MTP.0].
func AtLeastTLS12(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}
