// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

func TestUnknownControllers(t *testing.T) {
	t.Parallel()
	const listed = "controllers: [{endpoint_id: self::a}]\n"
	for _, tc := range []struct{ yaml, want string }{
		{"translate: {unknown_controllers: close, controllers_writable: false}", ""},
		{listed + "translate: {unknown_controllers: untrusted}", ""},
		{listed + "translate: {unknown_controllers: open}", "translate.unknown_controllers"},
		{"translate: {unknown_controllers: untrusted}", "name the trusted ones under controllers"},
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
