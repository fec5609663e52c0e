// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//nolint:misspell // a peer is called so
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// Names of who relays.
const (
	ours     = "uspgate"
	gorilla  = "gorilla relay"
	mosq     = "mosquitto"
	rabbitMQ = "RabbitMQ"
)

// Endpoint IDs of the Unix domain sockets, each of which presents the other's.
const (
	agentID      = "os::00D09E-bench"
	controllerID = "self::bench"
)

// server is one relay with its addresses by scheme.
type server struct {
	*process

	url map[string]string
}

// servers starts relays when they are first wanted, and ends them.
type servers struct {
	dir     string
	uspgate string // the program
	log     io.Writer
	running map[string]*server
	missing map[string]error // those that cannot be started, with the reason
	extra   []*process       // what servers need
	// gateways is how many have been started.
	gateways int
}

func newServers(ctx context.Context, uspgate string, log io.Writer) (*servers, error) {
	dir, err := os.MkdirTemp("", "uspgate-bench")
	if err != nil {
		return nil, err
	}
	s := &servers{
		dir: dir, uspgate: uspgate, log: log,
		running: make(map[string]*server), missing: make(map[string]error),
	}
	if uspgate != "" {
		return s, nil
	}
	s.uspgate = filepath.Join(dir, "uspgate")
	//nolint:gosec // the directory has just been made
	build := exec.CommandContext(ctx, "go", "build", "-o", s.uspgate, "./cmd/uspgate")
	build.Stderr = log
	if err := build.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("build uspgate (run this in the root of its tree): %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

// stop ends everything.
func (s *servers) stop() error {
	var errs []error
	for _, r := range s.running {
		errs = append(errs, r.stop())
	}
	for _, p := range s.extra {
		errs = append(errs, p.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// get returns a running relay; nil with its reason in missing if it cannot run
// here.
func (s *servers) get(ctx context.Context, name string) *server {
	if r, ok := s.running[name]; ok {
		return r
	}
	if s.missing[name] != nil {
		return nil
	}
	r, err := map[string]func(context.Context) (*server, error){
		ours: s.startOurs, gorilla: s.startGorilla, mosq: s.startMosquitto, rabbitMQ: s.startRabbitMQ,
	}[name](ctx)
	if err != nil {
		s.missing[name] = err
		fmt.Fprintf(s.log, "%s is left out: %v\n", name, err)
		return nil
	}
	s.running[name] = r
	return r
}

// file writes a configuration.
func (s *servers) file(name, content string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

func addresses(ctx context.Context, n int) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		var err error
		if out[i], err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// startOurs names the Controller in a route: an Agent on CoAP, which has no
// Connect Records, cannot show that it is one.
func (s *servers) startOurs(ctx context.Context) (*server, error) {
	a, err := addresses(ctx, 6)
	if err != nil {
		return nil, err
	}
	s.gateways++
	name := fmt.Sprintf("uspgate%d", s.gateways)
	south, north := filepath.Join(s.dir, name+"s.sock"), filepath.Join(s.dir, name+"n.sock")
	conf, err := s.file(name+".yaml", fmt.Sprintf(`mtp:
- {name: ws, type: websocket, listen: "%s", path: /usp}
- {name: mqtt, type: mqtt, listen: "%s"}
- {name: stomp, type: stomp, listen: "%s"}
- {name: coap, type: coap, listen: "%s"}
- {name: south, type: uds, listen: "%s", presents: "%s"}
- {name: north, type: uds, listen: "%s", presents: "%s"}
routes: [{endpoint_id: "%s", role: controller}]
cwmp: {listen: "%s"}
admin: {listen: ""}
metrics: {listen: "%s"}
log: {level: warn}
`, a[0], a[1], a[2], a[3], south, controllerID, north, agentID, controllerID, a[4], a[5]))
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, command(s.uspgate, "serve", "-c", conf), accepts(a[0], a[1], a[2], a[5]))
	if err != nil {
		return nil, err
	}
	return &server{p, map[string]string{
		"ws": "ws://" + a[0] + "/usp", "mqtt": "mqtt://" + a[1], "stomp": "stomp://" + a[2],
		"coap": "coap://" + a[3] + "/usp", "south": "unix://" + south, "north": "unix://" + north, "metrics": a[5],
	}}, nil
}

func (s *servers) startGorilla(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, command(self, bareRelay, a), accepts(a))
	if err != nil {
		return nil, err
	}
	return &server{p, map[string]string{"ws": "ws://" + a + "/"}}, nil
}

// startMosquitto gives the broker the window of the gateway; with its default
// of 20 messages in flight it would be slower at QoS 1.
func (s *servers) startMosquitto(ctx context.Context) (*server, error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto" // not in everybody's path
		if _, err := os.Stat(program); err != nil {
			return nil, err
		}
	}
	a, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(a) // it was made by a listener
	conf, err := s.file("mosquitto.conf", "listener "+port+" "+host+"\nallow_anonymous true\npersistence false\n"+
		"max_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n")
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, command(program, "-c", conf), accepts(a))
	if err != nil {
		return nil, err
	}
	return &server{p, map[string]string{"mqtt": "mqtt://" + a}}, nil
}
