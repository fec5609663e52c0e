// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// innerLimits are those of an envelope between nodes. It was within the limits of
// the node where it came in.
var innerLimits = soap.Limits{MaxBytes: maxFrame, MaxParams: 1 << 20, MaxValue: maxFrame, MaxName: 64 << 10}

// appendMessage appends m as a SOAP envelope, or nothing for nil.
func appendMessage(b []byte, namespace string, m cwmp.Message) ([]byte, error) {
	if m == nil {
		return b, nil
	}
	b, err := soap.Append(b, &cwmp.Envelope{Namespace: namespace, NoID: true, Body: m})
	if err != nil {
		return b, fmt.Errorf("cluster: %w", err)
	}
	return b, nil
}

// decodeMessage is the other way round.
func decodeMessage(b []byte) (cwmp.Message, error) {
	if len(b) == 0 {
		return nil, nil //nolint:nilnil // no message is one, too
	}
	env, err := soap.DecodeBytes(b, "text/xml; charset=utf-8", innerLimits)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return env.Body, nil
}

// openInformLoop is a flag of an open session: acs.Info.InformLoop.
const openInformLoop = 1

func appendOpen(b []byte, id string, in *cwmp.Inform, info *acs.Info) ([]byte, error) {
	b = appendString(b, id)
	b = appendString(b, info.Remote.String())
	b = appendString(b, info.Username)
	b = appendString(b, info.Method)
	b = appendString(b, info.Certificate)
	b = appendString(b, info.Namespace)
	b = binary.AppendUvarint(b, uint64(max(0, info.SessionTimeout)))
	var flags byte
	if info.InformLoop {
		flags |= openInformLoop
	}
	b = append(b, flags)
	var conflict []byte
	if info.Conflict != nil {
		var err error
		if conflict, err = json.Marshal(info.Conflict); err != nil {
			return b, fmt.Errorf("cluster: %w", err)
		}
	}
	b = appendString(b, conflict)
	return appendMessage(b, info.Namespace, in)
}

func parseOpen(b []byte) (id string, in *cwmp.Inform, info acs.Info, err error) {
	d := reader{b: b}
	id = d.string()
	remote := d.string()
	info.Username, info.Method, info.Certificate, info.Namespace = d.string(), d.string(), d.string(), d.string()
	info.SessionTimeout = time.Duration(min(d.uvarint(), uint64(24*time.Hour)))
	info.InformLoop = d.byte()&openInformLoop != 0
	conflict := d.string()
	if d.bad {
		return id, nil, info, errStreamFrame
	}
	if conflict != "" {
		if err := json.Unmarshal([]byte(conflict), &info.Conflict); err != nil {
			return id, nil, info, errors.Join(errStreamFrame, err)
		}
	}
	if remote != "" {
		info.Remote, _ = netip.ParseAddrPort(remote) // or it is not known
	}
	m, err := decodeMessage(d.b)
	if err != nil {
		return id, nil, info, err
	}
	in, ok := m.(*cwmp.Inform)
	if !ok {
		return id, nil, info, errStreamFrame
	}
	return id, in, info, nil
}

// causes are why a session ends, by number: what crosses is one of these.
func causes() []error {
	return []error{
		nil, acs.ErrTimeout, acs.ErrVanished, acs.ErrReplaced, acs.ErrShutdown, acs.ErrProtocol, acs.ErrLost,
		acs.ErrEndless, errPeerFailed,
	}
}

// errPeerFailed: the session broke at the other node for a reason of its own.
var errPeerFailed = errors.New("cluster: the session broke at the node of the CPE")

func causeOf(err error) byte {
	list := causes()
	for i, c := range list[1:] {
		if errors.Is(err, c) {
			return byte(i + 1)
		}
	}
	if err == nil {
		return 0
	}
	return byte(len(list) - 1)
}

func causeBy(c byte) error {
	list := causes()
	return list[min(int(c), len(list)-1)]
}
