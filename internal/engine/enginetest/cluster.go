// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package enginetest has a cluster of NATS servers in the process of a test.
package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster is some servers that are one cluster with JetStream. Safe for
// concurrent use.
type Cluster struct {
	tb      testing.TB
	options []server.Options

	mu      sync.Mutex
	servers []*server.Server // nil: stopped
}

// start bounds how long the servers take to find each other: a second, or some
// twenty on a machine that has next to no time for them.
const start = time.Minute

// New starts size servers on loopback. They end with the test.
func New(tb testing.TB, size int) *Cluster {
	tb.Helper()
	ports := holdPorts(tb, 2*size)
	var routes []string
	for i := range size {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[size+i]))
	}
	c := &Cluster{tb: tb, servers: make([]*server.Server, size)}
	for i := range size {
		o := server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: ports[i], NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: tb.TempDir(), JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 30,
			MaxPayload: 8 << 20, DisableJetStreamBanner: true,
		}
		if size > 1 {
			// The name is no other Cluster's, whoever is at a port.
			o.Cluster = server.ClusterOpts{Name: fmt.Sprintf("test-%d", ports[size]), Host: "127.0.0.1", Port: ports[size+i]}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		c.options = append(c.options, o)
	}
	tb.Cleanup(func() {
		for i := range size {
			c.Kill(i)
		}
	})
	for i := range size {
		c.Start(i)
	}
	c.WaitReady()
	return c
}

// URL is that of all servers, for engine.Options.
func (c *Cluster) URL() string {
	var urls []string
	for i := range c.options {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", c.options[i].Port))
	}
	return strings.Join(urls, ",")
}

// Start starts a server that is not running, on what it had kept.
func (c *Cluster) Start(i int) {
	c.tb.Helper()
	o := c.options[i]
	s, err := server.NewServer(&o)
	if err != nil {
		c.tb.Fatalf("server %d: %v", i, err)
	}
	s.Start()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[i] = s
}

// Kill stops a server. Unlike a crash, those of which it was the leader are told.
func (c *Cluster) Kill(i int) {
	c.mu.Lock()
	s := c.servers[i]
	c.servers[i] = nil
	c.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// Leader is the index of the server that leads the cluster's meta group, -1 if
// none does.
func (c *Cluster) Leader() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.servers {
		if s != nil && s.JetStreamIsLeader() {
			return i
		}
	}
	return -1
}

// WaitReady waits until the servers that run are ready for everything.
func (c *Cluster) WaitReady() {
	c.tb.Helper()
	deadline := time.Now().Add(start)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := c.missing()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("the servers do not become a cluster: %s", missing)
		}
		<-tick.C
	}
}

// missing says what keeps the servers that run from being a cluster: each has a
// route to each, and one of them leads, which all know. Empty: nothing.
func (c *Cluster) missing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var running []*server.Server
	for _, s := range c.servers {
		if s != nil {
			running = append(running, s)
		}
	}
	for _, s := range running {
		if !s.ReadyForConnections(time.Millisecond) {
			return s.Name() + " does not listen"
		}
	}
	if len(c.options) == 1 {
		return ""
	}
	var leader string
	for _, s := range running {
		for _, peer := range running {
			if peer != s && !routed(s, peer.Name()) {
				return fmt.Sprintf("%s has no route to %s", s.Name(), peer.Name())
			}
		}
		if !s.JetStreamIsLeader() {
			continue
		}
		if leader != "" {
			return fmt.Sprintf("both %s and %s lead", leader, s.Name())
		}
		if leader = s.Name(); len(s.JetStreamClusterPeers()) < len(running) {
			return "the leader has not heard from all"
		}
	}
	if leader == "" {
		return "nobody leads"
	}
	for _, s := range running {
		info, err := s.Jsz(nil)
		if err != nil || info.Meta == nil || info.Meta.Leader != leader || !s.JetStreamIsCurrent() {
			return fmt.Sprintf("%s does not follow %s", s.Name(), leader)
		}
	}
	return ""
}

// routed reports whether s has a route to the server of that name.
func routed(s *server.Server, name string) bool {
	z, err := s.Routez(nil)
	return err == nil && slices.ContainsFunc(z.Routes, func(r *server.RouteInfo) bool { return r.RemoteName == name })
}
