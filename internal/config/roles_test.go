// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	permission := func(p string) string { return "roles: [{name: Support, permissions: [{" + p + "}]}]" }
	for _, tc := range []struct{ yaml, want string }{
		{permission("targets: [Device.WiFi., Device.Reboot()], param: r--n, command_event: --x-"), ""},
		{"controllers: [{endpoint_id: self::a, role: Full Access}, {endpoint_id: self::b, role: Untrusted}]", ""},
		{"roles: [{name: Support}]\ncontrollers: [{endpoint_id: self::a, role: Support}]", ""},
		{"controllers: [{endpoint_id: self::a, role: Support}]", "controllers[0].role"},
		{"roles: [{name: Full Access}]", "roles[0].name: there is a role"},
		{"roles: [{name: A}, {name: A}]", "roles[1].name: there is a role"},
		{"roles: [{}]", "roles[0].name: want a name"},
		{"roles: [" + strings.Repeat("{name: A},", 31) + "]", "31 roles"},
		{permission(""), "roles[0].permissions[0].targets"},
		{permission("targets: [Device]"), "roles[0].permissions[0].targets[0]"},
		{permission("targets: [Device.], obj: wr--"), "roles[0].permissions[0].obj"},
		{permission("targets: [Device.], order: -1"), "roles[0].permissions[0].order"},
		{permission("targets: [" + strings.Repeat("Device.,", 33) + "]"), "roles[0].permissions[0].targets"},
		{permission("targets: [Device.]}, {targets: [Device.]"), "roles[0].permissions[1].order: 0 is that of another"},
		{permission("targets: [Device.]" + strings.Repeat("}, {targets: [Device.]", 32)), "33 permissions"},
	} {
		_, err := config.Parse("f.yaml", []byte(tc.yaml), nil)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", tc.yaml, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.yaml, err, tc.want)
		}
	}
}
