// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"path"
	"strconv"
	"strings"
)

// topic is what a Subscription may be about.
type topic struct {
	typ, ref string
	kind     string // of the events
	// about says whether it is about an event, with what was shown before and after it.
	about func(path string, before, after shown) bool
}

const mapping = "Device.NAT.PortMapping."

// named is for parameters by a pattern, objects by their beginning.
func named(ref string) func(string, shown, shown) bool {
	if strings.HasSuffix(ref, ".") {
		return func(p string, _, _ shown) bool { return strings.HasPrefix(p, ref) }
	}
	return func(p string, _, _ shown) bool {
		ok, err := path.Match(strings.ReplaceAll(ref, ".", "/"), strings.ReplaceAll(p, ".", "/"))
		return ok && err == nil
	}
}

// topics are those of all shapes.
func topics() []topic {
	var out []topic
	value := func(ref string, about func(string, shown, shown) bool) {
		out = append(out, topic{"ValueChange", ref, "changed", about})
	}
	for _, ref := range []string{
		"Device.DeviceInfo.ProvisioningCode", "Device.Time.NTPServer1", "Device.DeviceInfo.UpTime", mapping + "1.Description",
		mapping + "3.InternalClient", mapping + "*.Enable", mapping + "*.InternalPort", mapping, "Device.NAT.",
		mapping + "2.", "Device.NAT.PortMappingNumberOfEntries",
	} {
		value(ref, named(ref))
	}
	value(mapping+"[Enable==true].Description", func(p string, _, after shown) bool {
		row, leaf := splitLast(p)
		return strings.HasPrefix(p, mapping) && leaf == "Description" && after.values[row+"Enable"] == "true"
	})
	value(mapping+"[InternalPort>100].InternalClient", func(p string, _, after shown) bool {
		row, leaf := splitLast(p)
		n, err := strconv.Atoi(after.values[row+"InternalPort"])
		return strings.HasPrefix(p, mapping) && leaf == "InternalClient" && err == nil && n > 100
	})
	for _, ref := range []string{mapping, mapping + "*."} {
		all := func(p string, _, _ shown) bool { return strings.HasPrefix(p, mapping) }
		out = append(out, topic{"ObjectCreation", ref, "created", all}, topic{"ObjectDeletion", ref, "deleted", all})
	}
	out = append(out, topic{"ObjectDeletion", mapping + "2.", "deleted", func(p string, _, _ shown) bool {
		return p == mapping+"2."
	}}, topic{"ObjectDeletion", mapping + "[Enable==true].", "deleted", func(p string, before, _ shown) bool {
		return before.values[p+"Enable"] == "true"
	}})
	return out
}
