// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

// The values of translate.unknown_controllers: what becomes of a Controller that is not
// among controllers.
const (
	Closed    = "close"
	Untrusted = "untrusted"
)

// unknownControllers checks what is said of Controllers that the file does not name.
func (d *decoder) unknownControllers(cfg *Config) {
	t := &cfg.Translate
	d.oneOf("translate.unknown_controllers", t.Unknown, Closed, Untrusted)
	if t.Unknown == Untrusted && len(cfg.Controllers) == 0 {
		d.invalid("translate.unknown_controllers", "without controllers everybody on this host is known, and has full access",
			"name the trusted ones under controllers")
	}
}
