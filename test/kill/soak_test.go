// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package kill_test

import "testing"

func TestSoakKillRounds(t *testing.T)     { killRounds(t, 50) }
func TestSoakKillRoundsFull(t *testing.T) { killRoundsFull(t, 50) }
func TestSoakPowerLoss(t *testing.T)      { powerLoss(t, 50) }
func TestSoakWrites(t *testing.T)         { writesThroughKills(t, 100) }
