// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package kill_test

import "testing"

func TestKillRoundsSoak(t *testing.T) { killRounds(t, 50) }
