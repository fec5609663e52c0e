// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"io/fs"
	"strconv"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

func (b *binding) udsLink() uds.LinkOptions {
	return uds.LinkOptions{
		Name: b.Name, Presents: usp.EndpointID(b.Presents), Endpoint: usp.EndpointID(b.EndpointID), Role: b.role,
		Shared: b.Trunk, Patterns: b.SpeaksFor, Order: b.Order,
		AllowUIDs: ids(b.AllowUIDs), AllowGIDs: ids(b.AllowGIDs), MaxRecord: int(b.MaxRecord), MaxHold: b.maxHold(),
		NoConnectRecords: !b.ConnectRecords, Log: b.o.Log, Metrics: b.reg,
	}
}

// ids are user or group ids, which the configuration knows not to be negative.
func ids(list []int) []uint32 {
	out := make([]uint32, len(list))
	for i, id := range list {
		out[i] = uint32(id)
	}
	return out
}

func (b *binding) udsServer(conf *tls.Config) (mtp.Transport, error) {
	mode, err := strconv.ParseUint(b.Mode, 8, 9)
	if err != nil {
		return nil, err
	}
	return uds.NewServer(uds.ServerOptions{
		LinkOptions: b.udsLink(),
		Listen:      b.Listen, Mode: fs.FileMode(mode), Owner: b.Owner, Group: b.Group, TLS: conf,
		MaxConnections: b.MaxConnections,
	})
}

func (b *binding) udsClient(who as) (mtp.Transport, error) {
	return uds.NewClient(uds.ClientOptions{
		LinkOptions: b.udsLink(),
		URL:         b.Connect, Peer: usp.EndpointID(b.Peer), TLS: who.tls, Retry: b.retry(),
	})
}
