// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/peerstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// twin is a Cluster as a Net.
type twin struct{ c *peerstest.Cluster }

func (w twin) Join(t *testing.T, name string, h routing.PeerHandler) peerstest.Member {
	t.Helper()
	n := w.c.Join(name)
	n.Attach(h)
	return peerstest.Member{Peers: n, Kill: n.Kill, Expire: n.Expire, Renew: n.Renew}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string]func() time.Duration{
		"AtOnce": nil,
		"Slow":   func() time.Duration { return time.Duration(rand.IntN(2000)) * time.Microsecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peerstest.Run(t, peerstest.Suite{New: func(t *testing.T) peerstest.Net {
				t.Helper()
				c := peerstest.New(peerstest.Options{Delay: delay, Lease: 200 * time.Millisecond})
				t.Cleanup(c.Close)
				return twin{c}
			}})
		})
	}
}
