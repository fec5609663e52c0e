// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// TestPresenceOnABroker: an Agent on a broker of somebody else says by a
// retained message that it is there, and by its will that it has gone.
func TestPresenceOnABroker(t *testing.T) {
	t.Parallel()
	const id, presence = usp.EndpointID("os::00D09E-there"), "usp/v1/presence/{endpoint_id}"
	broker := harness.MQTTBroker(t)
	gw := harness.StartAs(t, fmt.Sprintf(`
mtp:
  - name: field
    type: mqtt
    connect: "mqtt://%s"
    role: agent
    endpoint_id: self::gateway
    presence: %q
routes: [{endpoint_id: %q, role: agent, via: field}]
`, broker.Addr, presence, id))
	state := func(want string) {
		t.Helper()
		harness.Eventually(t, func() error {
			for line := range strings.Lines(gw.Ask("endpoints", "list")) {
				if strings.Contains(line, string(id)) && strings.Contains(line, want) {
					return nil
				}
			}
			return errors.New(string(id) + " is not " + want)
		})
	}
	state("unknown")
	c, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + broker.Addr, Endpoint: id, Role: usp.RoleAgent, Presence: presence, Announce: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	running := mtptest.Start(t, c, mtptest.NewRecorder(t))
	state("online")
	running.Stop(t)
	state("offline")
}
