// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

// TestNeighbours: a gateway that looks for Agents in the local network finds one
// that shows itself there, and connects with it [R-DIS.3, R-DIS.8].
func TestNeighbours(t *testing.T) {
	t.Parallel()
	harness.StartAs(t, `
mtp: [{name: ws, type: websocket, listen: "127.0.0.1:0", role: controller}]
discovery: {advertise: true, interfaces: [lo], endpoint_id: "self::found", name: neighbour}
`)
	gw := harness.StartAs(t, `
mtp: [{name: ws, type: websocket, listen: "127.0.0.1:0"}]
discovery: {browse: true, interfaces: [lo], endpoint_id: "self::seeker"}
`)
	harness.Eventually(t, func() error {
		list := gw.Ask("endpoints", "list")
		for line := range strings.Lines(list) {
			if strings.Contains(line, "self::found") && strings.Contains(line, "online") {
				return nil
			}
		}
		return errors.New("self::found is not among\n" + list)
	})
}
