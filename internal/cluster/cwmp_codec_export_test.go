// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// Crossed is what another node is told of a session.
func Crossed(in *cwmp.Inform, info acs.Info) (acs.Info, error) {
	b, err := appendOpen(nil, "id", in, &info)
	if err != nil {
		return acs.Info{}, err
	}
	_, _, info, err = parseOpen(b)
	return info, err
}

// CauseAcross is why another node hears that a session has ended.
func CauseAcross(err error) error { return causeBy(causeOf(err)) }

// ErrPeerFailed is errPeerFailed.
var ErrPeerFailed = errPeerFailed
