// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

import "strings"

// Negotiate returns what an ACS makes of the Inform that came in the namespace
// found with supported as its SupportedCWMPVersions [TR-069 3.7.2.1]: the
// version for UseCWMPVersion, empty if the CPE did not ask, and the namespace
// of the session. It takes the highest of 1.0 to 1.4 in the list. ok is false
// if there is none, which is Fault 8006.
//
// A namespace that the standard does not have is kept where the version would
// have that of 1.2 [quirk 2].
func Negotiate(found, supported string) (version, namespace string, ok bool) {
	if strings.TrimSpace(supported) == "" {
		return "", found, true
	}
	for v := range strings.SplitSeq(supported, ",") {
		v = strings.TrimSpace(v)
		if len(v) == len("1.x") && strings.HasPrefix(v, "1.") && '0' <= v[2] && v[2] <= '4' {
			version = max(version, v)
		}
	}
	switch version {
	case "":
		return "", found, false
	case "1.0":
		return version, Namespace10, true
	case "1.1":
		return version, Namespace11, true
	}
	if found == "" || found == Namespace10 || found == Namespace11 {
		found = Namespace12
	}
	return version, found, true
}
