// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
)

// Tap watches the RPCs that Virtual Agents have their CPE execute: each request
// when it is queued, and its response or fault. It is called concurrently and
// must not block.
type Tap func(device cwmp.DeviceID, m cwmp.Message)

// tapped is a Device whose RPCs are watched.
type tapped struct {
	agent.Device

	tap Tap
}

// Call implements agent.Device.
func (d tapped) Call(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	d.tap(d.Identity(), req)
	resp, err := d.Device.Call(ctx, req)
	if resp != nil {
		d.tap(d.Identity(), resp)
	}
	return resp, err
}
