// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"time"

	"github.com/uspgate/uspgate/translate/proxied"
)

// Proxied is the gateway Agent, which shows CPE below Device.ProxiedDevice.
type Proxied struct {
	EndpointID string   `yaml:"endpoint_id" doc:"Endpoint ID of the gateway Agent; empty: there is none"`
	Select     []Select `yaml:"select" doc:"which CPE it shows: those that one of these fits; none: all"`
	Max        int      `yaml:"max" doc:"how many it shows; a further one is not shown, logged once and counted"`
	OnlineFor  Duration `yaml:"online_for" doc:"how long a CPE is Online after its last session"`
}

func defaultProxied() Proxied {
	return Proxied{Max: proxied.DefaultMax, OnlineFor: Duration(proxied.DefaultOnlineFor)}
}

// maxSelects bounds the list: each session of a CPE is compared with all of them.
const maxSelects = 256

// proxied checks translate.proxied.
func (d *decoder) proxied(cfg *Config) {
	const at = "translate.proxied"
	p := &cfg.Translate.Proxied
	if p.EndpointID == "" {
		return
	}
	d.endpointID(at+".endpoint_id", p.EndpointID)
	for i, c := range cfg.Controllers {
		if c.EndpointID == p.EndpointID {
			d.invalid(fmt.Sprintf("controllers[%d].endpoint_id", i), "it is that of "+at,
				"give the gateway Agent an Endpoint ID of its own")
		}
	}
	if p.Max < 1 || p.Max > proxied.MaxMax {
		d.invalid(at+".max", fmt.Sprintf("want 1 to %d", proxied.MaxMax), "select fewer CPE")
	}
	if time.Duration(p.OnlineFor) < time.Minute {
		d.invalid(at+".online_for", "shorter than a minute", "write more than the interval at which CPE come, such as 25h")
	}
	if len(p.Select) > maxSelects {
		d.invalid(at+".select", fmt.Sprintf("%d entries, %d at most", len(p.Select), maxSelects),
			"use * to have one for several")
	}
	for i := range p.Select {
		d.selector(fmt.Sprintf("%s.select[%d]", at, i), &p.Select[i])
	}
	if cfg.Engine.URL != "" {
		d.invalid(at, "the gateway Agent is for one node alone", "leave out endpoint_id, or engine.url")
	}
}
