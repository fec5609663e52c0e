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
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// uspCommand is a USP Controller on the command line, for any Agent.
func uspCommand(env Env) *cobra.Command {
	u := &uspVerb{out: output{to: env.Stdout}, stderr: env.Stderr}
	cmd := group("usp", "Be a USP Controller: get, set, add, delete, operate, subscribe …",
		u.getCommand(), u.setCommand(), u.addCommand(), u.deleteCommand(), u.operateCommand(),
		u.instancesCommand(), u.supportedDMCommand(), u.supportedProtocolCommand(), u.subscribeCommand(),
	)
	f := cmd.PersistentFlags()
	f.StringVar(&u.via.url, "via", "ws://127.0.0.1:8080/usp",
		"where: ws://, wss://, mqtt:// or mqtts://, with user:password@ if need be")
	f.StringVar(&u.via.ca, "ca", "", "PEM file of the CA to trust instead of the system's")
	f.StringVar(&u.via.cert, "cert", "", "PEM file with the own certificate")
	f.StringVar(&u.via.key, "key-file", "", "PEM file with its key")
	f.StringVar(&u.to, "to", "", "Endpoint ID of the Agent")
	f.StringVar(&u.from, "from", "", "own Endpoint ID; empty: a random one")
	f.BoolVar(&u.session, "session-context", false, "speak in a Session Context, which ends with the command")
	f.DurationVar(&u.timeout, "timeout", 40*time.Second, "how long to wait for an answer")
	u.out.flag(cmd)
	return cmd
}

// uspVerb is what the verbs of usp have in common.
type uspVerb struct {
	via      via
	to, from string
	session  bool
	timeout  time.Duration
	out      output
	stderr   io.Writer
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
	transport, err := u.via.transport(from)
	if err != nil {
		return err
	}
	options := controller.Options{Endpoint: from, Transport: transport}
	if u.session {
		options.Sessions = &e2e.Settings{MaxRetransmitTries: 3}
	}
	c, err := controller.New(options)
	if err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- c.Run(runCtx) }()
	err = f(ctx, &peer{Controller: c, agent: to, timeout: u.timeout})
	if u.session {
		bye, cancel := context.WithTimeout(runCtx, farewell)
		_ = c.Disconnect(bye, to) // if there is still a connection
		cancel()
	}
	stop()
	ended := <-done
	switch {
	case errors.Is(err, controller.ErrClosed):
		return errors.Unwrap(ended) // why there is no connection
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s within %v by way of %s: is it known there?", to, u.timeout, u.via.shown())
	}
	return u.refused(errors.Join(err, ended))
}

// farewell bounds the end of a Session Context.
const farewell = 5 * time.Second

// refused prints an Error Message in the form that was asked for.
func (u *uspVerb) refused(err error) error {
	var refusal *controller.Error
	if !errors.As(err, &refusal) {
		return err
	}
	failures := []failure{{refusal.Err.Path, uint32(refusal.Err.Code), refusal.Err.Text}}
	for _, p := range refusal.Params {
		failures = append(failures, failure{p.GetParamPath(), p.GetErrCode(), p.GetErrMsg()})
	}
	if len(failures) > 1 {
		failures = failures[1:] // the parameters say all that the Message does
	}
	if _, err := u.out.json(map[string]any{"errors": failures}); err != nil {
		return err
	}
	return u.report(0, failures)
}

// deadline bounds one request.
func (p *peer) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.timeout)
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

// String returns "path: code text".
func (f failure) String() string {
	text := strconv.FormatUint(uint64(f.Code), 10) + " " + f.Text
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	return text
}

// report prints what failed and makes the exit code: partly if something was
// done too.
func (u *uspVerb) report(done int, failures []failure) error {
	for _, f := range failures {
		fmt.Fprintln(u.stderr, printable(f.String()))
	}
	switch {
	case len(failures) == 0:
		return nil
	case done > 0:
		return errPartly
	default:
		return errFailed
	}
}
