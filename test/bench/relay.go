// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// relay is the floor for WebSocket to WebSocket: what one connection sends, all
// others get, with one read and one write of the library per message. No queue,
// no routing, nothing is looked at. It ends with ctx.
func relay(ctx context.Context, address string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("bare relay: %w", err)
	}
	r := &bare{conns: make(map[*websocket.Conn]struct{})}
	srv := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	err = srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// bare is the handler of the relay.
type bare struct {
	upgrader websocket.Upgrader

	mu    sync.Mutex
	conns map[*websocket.Conn]struct{}
	other map[*websocket.Conn]*websocket.Conn // as it was at the last change
}

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := b.upgrader.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {"v1.usp"}})
	if err != nil {
		return // the library has answered
	}
	defer func() { _ = conn.Close() }()
	b.change(func() { b.conns[conn] = struct{}{} })
	defer b.change(func() { delete(b.conns, conn) })
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		to := b.counterpart(conn)
		if to == nil {
			continue
		}
		if err := to.WriteMessage(kind, data); err != nil {
			return
		}
	}
}

func (b *bare) counterpart(conn *websocket.Conn) *websocket.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.other[conn]
}

// change changes who is there.
func (b *bare) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.other = make(map[*websocket.Conn]*websocket.Conn, len(b.conns))
	for c := range b.conns {
		for o := range b.conns {
			if c != o {
				b.other[c] = o
			}
		}
	}
}
