// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// The protocols of MTP rows, by the names of TR-181.
const (
	mtpWebSocket = "WebSocket"
	mtpMQTT      = "MQTT"
	mtpSTOMP     = "STOMP"
	mtpUDS       = "UDS"
)

// maxControllerMTPs bounds the MTP table of one Controller.
const maxControllerMTPs = 8

// controllerMTPObjects is MTP. of the Controller whose row has the generic path row
// [TR-181 WebSocketController:1, MQTTController:2, STOMPController:1, UDSController:1], with
// the objects of those protocols that the gateway has. The table comes first.
//
// Deviation: what a row says of the address of a Controller makes nobody connect to it. The
// Agent shares the MTPs of its gateway, which opens no connection to hosts that a Controller
// names: that would be a way into the network of the operator. A Controller that was added
// connects to the gateway, or is behind a broker that the configuration names; there Topic
// and Destination are where it is reached.
func controllerMTPObjects(row string, o *Options) []*localObject {
	protocols := slices.DeleteFunc(slices.Clone(o.Protocols), func(p string) bool { return p == "CoAP" })
	own := rw
	if o.FixedControllers {
		own = fixedColumn
	}
	mtp := obj(row+"MTP.{i}.",
		alias(),
		own("Enable", path.TypeBoolean, "true"),
		unlessFixed(o, once("Protocol", path.TypeString, oneOf(protocols...))),
		own("Order", path.TypeUnsignedInt, "1", between(1, 1<<32-1)),
	).keyed([]string{"Protocol"}, []string{"Alias"})
	mtp.check, mtp.added = checkControllerMTP, orderControllerMTP
	columns := map[string][]*column{
		mtpWebSocket: {
			own("Host", path.TypeString, "", maxLen(256)),
			own("Port", path.TypeUnsignedInt, "443", between(1, 65535)),
			own("Path", path.TypeString, "", maxLen(256)),
			own("EnableEncryption", path.TypeBoolean, "true"),
		},
		mtpMQTT: {
			own("Topic", path.TypeString, "", isTopic),
			own("AgentMTPReference", path.TypeString, ""),
		},
		mtpSTOMP: {ro("Reference", path.TypeString, ""), own("Destination", path.TypeString, "", maxLen(256))},
		mtpUDS:   {ro("UnixDomainSocketRef", path.TypeString, ""), ro("USPServiceRef", path.TypeString, "")},
	}
	objects := []*localObject{mtp}
	for _, p := range protocols {
		if c := columns[p]; c != nil {
			of := obj(mtp.Path+p+".", c...)
			of.check = checkControllerMTP
			objects = append(objects, of)
		}
	}
	return objects
}

// isTopic takes a topic that can be published to.
func isTopic(v string) *usp.Error {
	if strings.ContainsAny(v, "#+\x00") {
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "a topic with wildcards cannot be published to"}
	}
	return maxLen(256)(v)
}

// orderControllerMTP puts a new row behind those that are there.
func orderControllerMTP(t *tx, row string, by usp.EndpointID) {
	last := uint64(0)
	t.l.each(tableOf(row), func(other string) {
		if n, ok := parseUint(t.l.get(other + "Order")); ok && other != row && n < 1<<32-1 {
			last = max(last, n)
		}
	})
	t.set(row+"Order", number(int(last+1)))
	if by != "" {
		t.set(row+"Enable", "false")
	}
}

// checkControllerMTP looks at a row, or at the object of its protocol.
func checkControllerMTP(l *local, object string) *usp.Error {
	if l.configured(object) {
		return invalid(usp.CodeRequestDenied, object, "the configuration says how this Controller is reached")
	}
	if l.object(object).Multi && len(l.rows[tableOf(object)]) > maxControllerMTPs {
		return invalid(usp.CodeResourcesExceeded, object, "too many MTPs")
	}
	ref := l.get(object + "AgentMTPReference")
	if ref == "" || tableOf(ref+".") == mtpTable && l.exists(ref+".") {
		return nil
	}
	return invalid(usp.CodeInvalidValue, object+"AgentMTPReference", ref+" is no MTP")
}

// way is where a Controller is reached by what its MTP table says: the enabled row with the
// lowest Order, and the topic or destination there.
func (l *local) way(row string) (protocol, destination string) {
	var rows []string
	l.each(row+"MTP.", func(mtp string) {
		if l.isTrue(mtp + "Enable") {
			rows = append(rows, mtp)
		}
	})
	order := func(mtp string) uint64 { n, _ := parseUint(l.get(mtp + "Order")); return n }
	slices.SortStableFunc(rows, func(x, y string) int { return cmp.Compare(order(x), order(y)) })
	if len(rows) == 0 {
		return "", ""
	}
	switch protocol = l.get(rows[0] + "Protocol"); protocol {
	case mtpMQTT:
		destination = l.get(rows[0] + "MQTT.Topic")
	case mtpSTOMP:
		destination = l.get(rows[0] + "STOMP.Destination")
	}
	return protocol, destination
}
