// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Event tells that an Endpoint came or went.
type Event struct {
	Address usp.Address
	State   Presence
	MTP     mtp.Kind
	At      time.Time
}
