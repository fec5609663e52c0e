// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// uspCommand is a USP Controller on the command line, for any Agent.
func uspCommand(env Env) *cobra.Command {
	u := &uspVerb{out: output{to: env.Stdout}, stderr: env.Stderr}
	cmd := &cobra.Command{
		Use:   "usp",
		Short: "Be a USP Controller: get, set, add, delete, operate, subscribe …",
	}
	f := cmd.PersistentFlags()
	f.StringVar(&u.via, "via", "ws://127.0.0.1:8080/usp", "where: ws://, wss://, mqtt:// or mqtts://")
	f.StringVar(&u.to, "to", "", "Endpoint ID of the Agent")
	f.StringVar(&u.from, "from", "", "own Endpoint ID; empty: a random one")
	f.DurationVar(&u.timeout, "timeout", 40*time.Second, "how long to wait for an answer")
	u.out.flag(cmd)
	cmd.AddCommand(
		u.getCommand(), u.setCommand(), u.addCommand(), u.deleteCommand(), u.operateCommand(),
		u.instancesCommand(), u.supportedDMCommand(), u.supportedProtocolCommand(), u.subscribeCommand(),
	)
	return cmd
}

// uspVerb is what the verbs of usp have in common.
type uspVerb struct {
	via, to, from string
	timeout       time.Duration
	out           output
	stderr        io.Writer
}

// peer is a Controller that is connected, and the Agent it talks to.
type peer struct {
	*controller.Controller

	agent   usp.EndpointID
	timeout time.Duration
}

// with connects, calls f, and disconnects.
func (u *uspVerb) with(ctx context.Context, f func(context.Context, *peer) error) error {
	if err := u.out.check(); err != nil {
		return err
	}
	to, err := usp.ParseEndpointID(u.to)
	if err != nil {
		return usageError{fmt.Errorf("--to %w", err)}
	}
	if u.from == "" {
		u.from = "self::cli-" + randomHex()
	}
	from, err := usp.ParseEndpointID(u.from)
	if err != nil {
		return usageError{fmt.Errorf("--from %w", err)}
	}
	transport, err := dialTransport(ctx, u.via, from)
	if err != nil {
		return err
	}
	c, err := controller.New(controller.Options{Endpoint: from, Transport: transport})
	if err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- c.Run(runCtx) }()
	err = f(ctx, &peer{Controller: c, agent: to, timeout: u.timeout})
	stop()
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer from %s within %v by way of %s: is it known there? (%w)", to, u.timeout, u.via, err)
	}
	return errors.Join(err, <-done)
}

// deadline bounds one request.
func (p *peer) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.timeout)
}

// dialTransport makes the client of a --via URL, after it has seen that
// somebody listens there.
func dialTransport(ctx context.Context, via string, from usp.EndpointID) (mtp.Transport, error) {
	u, err := url.Parse(via)
	if err != nil {
		return nil, usageError{fmt.Errorf("--via: %w", err)}
	}
	ports := map[string]string{"ws": "80", "wss": "443", "mqtt": "1883", "mqtts": "8883"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, usageError{fmt.Errorf("--via %s: want ws://, wss://, mqtt:// or mqtts://", via)}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("nobody listens at %s: is uspgate serve running there? (%w)", address, err)
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return ws.NewClient(ws.ClientOptions{URL: via, Endpoint: from, Role: usp.RoleAgent, Shared: true})
	}
	return mqtt.NewClient(mqtt.ClientOptions{URL: via, Endpoint: from, Role: usp.RoleController})
}

func randomHex() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// failure is one path that failed.
type failure struct {
	Path string `json:"path"`
	Code uint32 `json:"code"`
	Text string `json:"text"`
}

// report prints what failed and makes the exit code: partly if something was
// done too.
func (u *uspVerb) report(done int, failures []failure) error {
	for _, f := range failures {
		fmt.Fprintf(u.stderr, "%s: %d %s\n", f.Path, f.Code, f.Text)
	}
	switch {
	case len(failures) == 0:
		return nil
	case done > 0:
		return errPartly
	default:
		return fmt.Errorf("%d of %d failed", len(failures), len(failures))
	}
}
