// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/uspgate/uspgate/mtp"
)

// node is one socket and all that goes on over it.
type node struct {
	opts    *LinkOptions
	tls     *tls.Config
	metrics *mtp.KindMetrics
	conn    *net.UDPConn
}

func newNode(o *LinkOptions, conf *tls.Config) (*node, error) {
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.CoAP)
	if err != nil {
		return nil, fmt.Errorf("coap: %w", err)
	}
	return &node{opts: o, tls: conf, metrics: metrics}, nil
}

func (n *node) listen(ctx context.Context, address string) error {
	if n.conn != nil {
		return nil
	}
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("coap: listen: %w", err)
	}
	n.conn = conn.(*net.UDPConn)
	return nil
}

func (n *node) addr(configured string) string {
	if n.conn == nil {
		return configured
	}
	return n.conn.LocalAddr().String()
}
