// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"testing"

	"github.com/uspgate/uspgate/usp"
)

// What XML cannot carry never reaches the CPE [TR-069 A.3]: not as something
// else, and not as an RPC that it has to refuse.
func TestValuesThatXMLCannotCarry(t *testing.T) {
	t.Parallel()
	r := newAskingRig(t, "tr181")
	before := r.cpe.snapshot()
	for _, words := range [][]string{
		{"Set", "whole", "Device.NAT.PortMapping.1.", "Description!=a\x1b[31m"},
		{"Set", "whole", "Device.WiFi.SSID.1.", "SSID!=a\x00b"},
		{"Add", "whole", "Device.NAT.PortMapping.", "Description!=\x07"},
		{"Add", "whole", "Device.NAT.PortMapping.", "Alias!=\uffff"},
	} {
		wantError(t, r.words(t, words...), usp.CodeInvalidValue, "characters that cannot be sent")
	}
	if after := r.cpe.snapshot(); fmt.Sprint(after) != fmt.Sprint(before) || r.cpe.last["Device.NAT.PortMapping."] != 1 {
		t.Error("got a changed CPE")
	}
	m := r.words(t, "Set", "whole", "Device.NAT.PortMapping.1.", "Description!=a\tb\nc")
	if m.GetBody().GetResponse() == nil {
		t.Errorf("got %v, want a success", m.GetBody())
	}
}
