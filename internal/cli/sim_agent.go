// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/usp"
)

// accessPoint is the model that an Agent has without --model.
const accessPoint = "access-point"

// maxSimAgents bounds --count: each is a connection.
const maxSimAgents = 10_000

// simAgent are the flags of sim agent.
type simAgent struct {
	via                          via
	model, id, controller, level string
	count, first                 int
	commands                     time.Duration
}

func simAgentCommand(env Env) *cobra.Command {
	s := &simAgent{}
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Simulated native USP Agents",
		Long: "Simulated native USP Agents: devices that speak USP by themselves. --model takes " + accessPoint + ",\n" +
			"a CSV file, or a built-in TR-181 model of sim cpe, which is then the same device: " +
			strings.Join(nativeModels(), ", ") + ".",
		Example: "  uspgate sim agent --via ws://127.0.0.1:8080/usp\n" +
			"  uspgate sim agent --via mqtt://127.0.0.1:1883 --model tr181-wifi --count 3",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), env) },
	}
	f := cmd.Flags()
	f.StringVar(&s.via.url, "via", "ws://127.0.0.1:8080/usp",
		"where: ws://, wss://, mqtt:// or mqtts://, with user:password@ if need be")
	f.StringVar(&s.via.ca, "ca", "", "PEM file of the CA to trust instead of the system's")
	f.StringVar(&s.via.cert, "cert", "", "PEM file with the own certificate")
	f.StringVar(&s.via.key, "key-file", "", "PEM file with its key")
	f.StringVar(&s.model, "model", accessPoint, "built-in model or CSV file (path,writable,value,type)")
	f.StringVar(&s.id, "id", "", "Endpoint ID; empty: os::OUI-PRODUCTCLASS-SERIAL of the model")
	f.StringVar(&s.controller, "controller", "self::controller", "Endpoint ID of the Controller to show itself to")
	f.IntVar(&s.count, "count", 1, "how many")
	f.IntVar(&s.first, "first", 1, "serial number of the first")
	f.DurationVar(&s.commands, "command-time", time.Second, "how long asynchronous commands and restarts take")
	f.StringVar(&s.level, "log", "info", "debug, info, warn or error")
	return cmd
}

// nativeModels are the built-in models of CPE that an Agent can have.
func nativeModels() []string {
	return slices.DeleteFunc(cpe.Builtin(), func(name string) bool { return !strings.HasPrefix(name, "tr181") })
}

func (s *simAgent) run(ctx context.Context, env Env) error {
	switch {
	case s.count < 1 || s.count > maxSimAgents:
		return usageError{fmt.Errorf("--count is from 1 to %d", maxSimAgents)}
	case s.count > 1 && s.id != "":
		return usageError{errors.New("--id is for one Agent, and --count says several")}
	}
	log, err := obs.NewLogger(env.Stderr, s.level, "console")
	if err != nil {
		return usageError{err}
	}
	group, ctx := errgroup.WithContext(ctx)
	var rows [][]string
	for i := range s.count {
		a, err := s.agent(strconv.Itoa(s.first+i), log)
		if err != nil {
			return err
		}
		rows = append(rows, []string{s.model, string(a.Endpoint())})
		group.Go(func() error { return a.Run(ctx) })
	}
	out := output{to: env.Stdout}
	out.table([]string{"MODEL", "AGENT"}, rows[:min(len(rows), 50)])
	if len(rows) > 50 {
		fmt.Fprintf(env.Stdout, "… and %d more\n", len(rows)-50)
	}
	return group.Wait()
}

// agent makes one Agent with a serial number.
func (s *simAgent) agent(serial string, log *zap.Logger) (*agent.Agent, error) {
	m, err := s.load(serial)
	if err != nil {
		return nil, usageError{err}
	}
	id := usp.EndpointID(s.id)
	if id == "" {
		id = m.EndpointID()
	}
	if id, err = usp.ParseEndpointID(string(id)); err != nil {
		return nil, usageError{fmt.Errorf("--id %w", err)}
	}
	tr, err := s.via.agentTransport(id)
	if err != nil {
		return nil, err
	}
	return agent.New(agent.Options{
		Endpoint: id, Transport: tr, Controller: usp.EndpointID(s.controller), Model: m,
		Protocols: []string{s.via.protocol()}, CommandTime: s.commands, Log: log,
	})
}

// load reads the model.
func (s *simAgent) load(serial string) (*agent.Model, error) {
	var f io.ReadCloser
	var err error
	switch {
	case s.model == accessPoint:
		f, err = agent.OpenDefault()
	case slices.Contains(nativeModels(), s.model):
		f, err = cpe.OpenBuiltin(s.model)
	case slices.Contains(cpe.Builtin(), s.model):
		return nil, fmt.Errorf("--model %s is of TR-098, which USP does not know: take one of %s, or a file", s.model,
			strings.Join(append(nativeModels(), accessPoint), ", "))
	default:
		f, err = os.Open(filepath.Clean(s.model))
	}
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	defer func() { _ = f.Close() }()
	return agent.LoadModel(f, serial)
}
