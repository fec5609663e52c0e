// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// placeholder stands for the Endpoint ID in a template.
const placeholder = "{endpoint_id}"

// Destinations are the templates of the destinations to which Endpoints are
// subscribed; each holds {endpoint_id} once. USP fixes none.
type Destinations struct {
	Agent      string
	Controller string
}

// DefaultDestinations are /queue/usp.v1.agent.{endpoint_id} and
// /queue/usp.v1.controller.{endpoint_id}. A queue keeps Records for an Endpoint
// that is not there, where a topic drops them. RabbitMQ takes no further / in
// the name of one.
func DefaultDestinations() Destinations {
	return Destinations{
		Agent: "/queue/usp.v1.agent." + placeholder, Controller: "/queue/usp.v1.controller." + placeholder,
	}
}

func (d Destinations) check() error {
	for _, s := range []string{d.Agent, d.Controller} {
		if strings.Count(s, placeholder) != 1 || len(s) > maxKept/2 || strings.ContainsAny(s, "\r\n\x00") {
			return fmt.Errorf("stomp: destination template %q: want %s once, on one line", s, placeholder)
		}
	}
	if d.Agent == d.Controller {
		return errors.New("stomp: Agents and Controllers have the same destination template")
	}
	return nil
}

// of returns the destination of a. An Endpoint of unknown role is taken for an
// Agent: those obey subscribe-dest [R-STOMP.6].
func (d Destinations) of(a usp.Address) string {
	template := d.Agent
	if a.Role == usp.RoleController {
		template = d.Controller
	}
	return strings.Replace(template, placeholder, string(a.ID), 1)
}

// parse finds out whose destination it is by the templates. Where both fit it
// is that of the more exact one.
func (d Destinations) parse(destination string) (usp.Address, bool) {
	agent, isAgent := extract(d.Agent, destination)
	controller, isController := extract(d.Controller, destination)
	switch {
	case isAgent && (!isController || len(agent) <= len(controller)):
		return usp.Address{ID: agent, Role: usp.RoleAgent}, true
	case isController:
		return usp.Address{ID: controller, Role: usp.RoleController}, true
	}
	return usp.Address{}, false
}

func extract(template, destination string) (usp.EndpointID, bool) {
	prefix, suffix, _ := strings.Cut(template, placeholder)
	rest, ok := strings.CutPrefix(destination, prefix)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, suffix)
	return usp.EndpointID(rest), ok && rest != ""
}
