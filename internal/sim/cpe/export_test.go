// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import "github.com/uspgate/uspgate/cwmp"

// Answer applies an RPC without a session.
func (c *CPE) Answer(req cwmp.Request) cwmp.Response { return c.dispatch(req) }

// ValidValue is the lexical check of SetParameterValues.
func ValidValue(t cwmp.Type, v string) bool { return valid(t, v) }

// NextVersion is what a firmware download makes of a version.
func NextVersion(v string) string { return nextVersion(v) }
