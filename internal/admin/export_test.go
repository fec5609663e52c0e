// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"maps"
	"slices"
)

// Paths lists what the Server answers.
func (s *Server) Paths() []string { return slices.Sorted(maps.Keys(s.routes)) }
