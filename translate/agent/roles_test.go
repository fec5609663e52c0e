// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// Roles of the configuration that make no sense are no Roles without rights: they are
// refused before anybody is let in.
func TestRolesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	with := func(p ...agent.Permission) []agent.Role { return []agent.Role{{Name: "Viewer", Permissions: p}} }
	targets := make([]string, 33)
	for i := range targets {
		targets[i] = "Device."
	}
	for name, c := range map[string]struct {
		roles []agent.Role
		role  string
		want  string
	}{
		"no name":            {roles: []agent.Role{{}}, want: "needs a name"},
		"the name of others": {roles: []agent.Role{{Name: "Full Access"}}, want: "needs a name"},
		"twice":              {roles: []agent.Role{{Name: "A"}, {Name: "A"}}, want: "needs a name"},
		"no target":          {roles: with(agent.Permission{Targets: []string{"Device"}}), want: "target Device"},
		"no rights":          {roles: with(agent.Permission{Param: "rwxy"}), want: "position 4"},
		"the same Order":     {roles: with(agent.Permission{}, agent.Permission{}), want: "Order 0"},
		"many Permissions":   {roles: with(make([]agent.Permission, 33)...), want: "33 Permissions"},
		"many Targets":       {roles: with(agent.Permission{Targets: targets}), want: "33 Targets"},
		"many Roles":         {roles: manyRoles(31), want: "33 Roles"},
		"no such Role":       {role: "Viewer", want: "no Role"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := rules()
			if err != nil {
				t.Fatal(err)
			}
			opts := agent.Options{
				Send: func(usp.Record) {}, Rules: loaded, Roles: c.roles,
				Controllers: []agent.Controller{{EndpointID: "self::ctl", Role: c.role}},
			}
			if _, err := agent.NewHost(opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}

func manyRoles(n int) []agent.Role {
	list := make([]agent.Role, n)
	for i := range list {
		list[i].Name = fmt.Sprint("Role ", i)
	}
	return list
}

// Controllers fill neither the Role table nor a Role without end.
func TestRolesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "permissions")
		defer r.stop()
		ask := func(words ...string) string {
			r.takeTranscript()
			r.send("self::ctl", "", words)
			synctest.Wait()
			return r.takeTranscript()
		}
		const table = "Device.LocalAgent.ControllerTrust.Role."
		for i := range 30 {
			if got := ask("Add", "whole", table, fmt.Sprintf("Name!=R%d", i)); !strings.Contains(got, "AddResp") {
				t.Fatalf("Role %d: got %s, want AddResp", i, got)
			}
		}
		if got := ask("Add", "whole", table, "Name!=more"); !strings.Contains(got, "7005") {
			t.Errorf("got %s for one Role more, want Error 7005", got)
		}
		for i := range 32 {
			if got := ask("Add", "whole", table+"3.Permission."); !strings.Contains(got, "AddResp") {
				t.Fatalf("Permission %d: got %s, want AddResp", i, got)
			}
		}
		if got := ask("Add", "whole", table+"3.Permission."); !strings.Contains(got, "7005") {
			t.Errorf("got %s for one Permission more, want Error 7005", got)
		}
		targets := "Targets!=" + strings.Repeat("Device.,", 32) + "Device."
		if got := ask("Set", "whole", table+"3.Permission.1.", targets); !strings.Contains(got, "7005") {
			t.Errorf("got %s for 33 Targets, want Error 7005", got)
		}
	})
}
