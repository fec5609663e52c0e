// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// record is the value of an address's key in the Store.
type record struct {
	node  string
	epoch uint64
	fence uint64 // the revision of the claim; 0 in that revision itself
	info  infoBits
	leg   uint32

	mtp, listener string
}

// recordVersion begins every record.
const recordVersion = 1

// infoBits is what of a routing.Info is true or false.
type infoBits uint8

const (
	infoUp infoBits = 1 << iota
	infoDirect
	infoHome
	infoShared
	infoOnline
	infoOffline
	infoUnknown
)

func bitsOf(i *routing.Info) infoBits {
	var b infoBits
	for _, x := range []struct {
		is  bool
		bit infoBits
	}{
		{i.Up, infoUp},
		{i.Direct, infoDirect},
		{i.Home, infoHome},
		{i.Shared, infoShared},
		{i.State == routing.Online, infoOnline},
		{i.State == routing.Offline, infoOffline},
		{i.State == routing.Unknown, infoUnknown},
	} {
		if x.is {
			b |= x.bit
		}
	}
	return b
}

// infoOf is what the owner has announced.
func (e *owned) infoOf() routing.Info {
	i := routing.Info{
		Up: e.info&infoUp != 0, Direct: e.info&infoDirect != 0, Home: e.info&infoHome != 0,
		Shared: e.info&infoShared != 0,
		MTP:    e.mtp, Listener: e.listener, Leg: e.leg,
	}
	switch {
	case e.info&infoOnline != 0:
		i.State = routing.Online
	case e.info&infoOffline != 0:
		i.State = routing.Offline
	case e.info&infoUnknown != 0:
		i.State = routing.Unknown
	}
	return i
}

func (r *record) encode() []byte {
	b := []byte{recordVersion}
	b = appendString(b, r.node)
	b = binary.AppendUvarint(b, r.epoch)
	b = binary.AppendUvarint(b, r.fence)
	b = append(b, byte(r.info))
	b = binary.AppendUvarint(b, uint64(r.leg))
	b = appendString(b, r.mtp)
	return appendString(b, r.listener)
}

var errRecord = errors.New("cluster: a record of an owner does not parse")

func parseRecord(b []byte) (*record, error) {
	d := reader{b: b}
	if d.byte() != recordVersion {
		return nil, errRecord
	}
	r := &record{node: d.string()}
	r.epoch, r.fence = d.uvarint(), d.uvarint()
	r.info = infoBits(d.byte())
	r.leg = uint32(d.uvarint())
	r.mtp, r.listener = d.string(), d.string()
	if d.bad || r.node == "" || r.epoch == 0 {
		return nil, errRecord
	}
	return r, nil
}

// reader takes a message apart; after an error everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (d *reader) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes are a view into the message.
func (d *reader) bytes() []byte {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *reader) string() string { return string(d.bytes()) }

func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ownerKey is the key of an address in the Store.
func ownerKey(a usp.Address) string {
	switch a.Role {
	case usp.RoleAgent:
		return "a/" + string(a.ID)
	case usp.RoleController:
		return "c/" + string(a.ID)
	default:
		return "u/" + string(a.ID)
	}
}

// addressOf is the address of a key; ok is false for keys of something else.
func addressOf(key string) (a usp.Address, ok bool) {
	role, id, ok := strings.Cut(key, "/")
	a.ID = usp.EndpointID(id)
	switch role {
	case "a":
		a.Role = usp.RoleAgent
	case "c":
		a.Role = usp.RoleController
	case "u":
	default:
		return a, false
	}
	return a, ok && id != ""
}

// bindingKey is the key of a Transport that only one node runs.
func bindingKey(name string) string { return "binding/" + name }

func (d *reader) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}
