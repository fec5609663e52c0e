// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// How a connection to a cluster is kept. A server that has died without a word is
// noticed after two pings; there is no end of trying.
const (
	connectPing  = 2 * time.Second
	connectPings = 2
	connectWait  = 200 * time.Millisecond
	connectLimit = 3 * time.Second
)

// connectOptions are those of the connection.
func (e *Engine) connectOptions() []nats.Option {
	options := []nats.Option{
		nats.Name("uspgate"), nats.MaxReconnects(-1), nats.ReconnectWait(connectWait),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			e.log.Warn("the engine's connection", zap.String("subject", subject), zap.Error(err))
		}),
	}
	if e.server != nil {
		return append(options, nats.InProcessServer(e.server))
	}
	options = append(options,
		nats.ReconnectJitter(connectWait, connectWait),
		nats.ReconnectBufSize(-1), // who writes is told, and nothing is written later behind his back
		nats.Timeout(connectLimit), nats.PingInterval(connectPing), nats.MaxPingsOutstanding(connectPings),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: it was closed
				e.log.Warn("the connection with the cluster is lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			e.log.Info("connected with the cluster again", zap.String("server", c.ConnectedServerName()))
		}),
	)
	if e.o.Username != "" {
		options = append(options, nats.UserInfo(e.o.Username, e.o.Password))
	}
	if e.o.CredsFile != "" {
		options = append(options, nats.UserCredentials(e.o.CredsFile))
	}
	if e.o.TLS != nil {
		options = append(options, nats.Secure(e.o.TLS))
	}
	return options
}
