// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package enginetest has a cluster of NATS servers in the process of a test.
package enginetest

import (
	"fmt"
	"net"
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

// start bounds how long the servers take to find each other.
const start = 20 * time.Second

// New starts size servers on loopback. They end with the test.
func New(tb testing.TB, size int) *Cluster {
	tb.Helper()
	ports := freePorts(tb, 2*size)
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
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[size+i]}
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

func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	var open []net.Listener
	for range n {
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("a free port: %v", err)
		}
		open = append(open, l)
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			ports = append(ports, a.Port)
		}
	}
	for _, l := range open {
		_ = l.Close() // just a moment ago it was listening
	}
	return ports
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
	for !c.ready() {
		if time.Now().After(deadline) {
			c.tb.Fatal("the servers do not become a cluster")
		}
		<-tick.C
	}
}

func (c *Cluster) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	leader := len(c.options) == 1
	running := 0
	for _, s := range c.servers {
		if s != nil {
			running++
		}
	}
	for _, s := range c.servers {
		if s == nil {
			continue
		}
		if !s.ReadyForConnections(time.Millisecond) || len(c.options) > 1 && s.NumRoutes() == 0 {
			return false
		}
		leader = leader || s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) >= running
	}
	return leader
}
