// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the gateway beside its peers, all of them as processes
// of their own on this host: Mosquitto, RabbitMQ, and a relay of nothing but
// gorilla/websocket. Rounds of gateway and peer alternate, because machines are
// noisy; what is compared is the CPU time of the relaying process per Record.
// A peer that is not installed is said so in the table. make bench runs it last.
//
//nolint:misspell // a peer is called so
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// flags are what the command line says.
type flags struct {
	rounds      int
	round, warm time.Duration
	size        int
	window      int
	idle        int
	devices     int
	agents      int
	cwmp        int
	sessions    int
	rest        time.Duration
	only        *regexp.Regexp
	uspgate     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2) //nolint:forbidigo // a command says by its exit code that it was not used rightly
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // a command says by its exit code that it failed
	}
}

// bareRelay is the argument by which this program starts itself as a peer.
const bareRelay = "bare-relay"

func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case bareRelay:
			return relay(ctx, args[1])
		case bareHTTP:
			return serveBare(ctx, args[1])
		case fillCPE:
			n, err := strconv.Atoi(args[2])
			return errors.Join(err, copyCPE(ctx, args[1], n, out))
		case fillDevices:
			n, err := strconv.Atoi(args[2])
			return errors.Join(err, fill(ctx, args[1], n))
		case serveDevices:
			return serve(ctx, args[1], out)
		case fillAgents:
			n, err := strconv.Atoi(args[2])
			return errors.Join(err, fillWithAgents(ctx, args[1], n))
		case serveAgents:
			fold, err := time.ParseDuration(args[2])
			return errors.Join(err, serveWithAgents(ctx, args[1], fold, out))
		}
	}
	f, err := parse(args, log)
	if err != nil {
		return err
	}
	switch f.only.String() {
	case "devices":
		return devices(ctx, f, out)
	case "agents":
		return agents(ctx, f, out)
	}
	s, err := newServers(ctx, f.uspgate, log)
	if err != nil {
		return err
	}
	err = errors.Join(measure(ctx, f, s, out), idle(ctx, f, s, out), cwmpSessions(ctx, f, s, out),
		devices(ctx, f, out), agents(ctx, f, out))
	return errors.Join(err, s.stop())
}

func parse(args []string, log io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(log)
	set.IntVar(&f.rounds, "rounds", 9, "rounds of each pair, gateway and peer by turns")
	set.DurationVar(&f.round, "round", 600*time.Millisecond, "how long a round is measured")
	set.DurationVar(&f.warm, "warm-up", 150*time.Millisecond, "how long Records flow before that")
	set.IntVar(&f.size, "size", 400, "bytes of a Record")
	set.IntVar(&f.window, "window", 192, "Records that may be on their way")
	set.IntVar(&f.idle, "idle", 10_000, "idle Endpoints per MTP; 0: none")
	set.IntVar(&f.devices, "devices", 200_000, "registered devices that sleep; 0: none")
	set.IntVar(&f.agents, "agents", 10_000, "Virtual Agents that are asleep, then awake; 0: none")
	set.IntVar(&f.cwmp, "cwmp", 20_000, "known devices whose CWMP sessions are measured, beside those of 100; 0: none")
	set.IntVar(&f.sessions, "sessions", 2000, "CWMP sessions of a round")
	set.DurationVar(&f.rest, "rest", 18*time.Second, "how long they have been idle when their memory is read")
	set.StringVar(&f.uspgate, "uspgate", "", "program to measure; empty: built from this tree")
	only := set.String("only", "", "regular expression: the pairs to run, for example 'MQTT.*WS'")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if f.rounds < 1 || f.round <= 0 {
		return nil, errors.New("-rounds and -round have to be more than 0")
	}
	var err error
	if f.only, err = regexp.Compile(*only); err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	return f, nil
}
