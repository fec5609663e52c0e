// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/translate/agent"
)

func simCommand(env Env) *cobra.Command {
	return group("sim", "Simulated devices", simCPECommand(env), simAgentCommand(env))
}

// simCPE are the flags of sim cpe.
type simCPE struct {
	acs, model, listen string
	username, password string
	count, first       int
	interval, reboot   time.Duration
	level              string
	quirks             []string
	list               bool
}

func simCPECommand(env Env) *cobra.Command {
	s := &simCPE{}
	cmd := &cobra.Command{
		Use:   "cpe",
		Short: "Simulated TR-069 CPE that behave like real ones",
		Long: "Simulated TR-069 CPE. Without --model one of each built-in model: " +
			strings.Join(cpe.Builtin(), ", ") + ".",
		Example: "  uspgate sim cpe --acs http://127.0.0.1:7547\n" +
			"  uspgate sim cpe --acs http://127.0.0.1:7547 --model tr098-dsl --count 10\n" +
			"  uspgate sim cpe --quirk 28 --quirk no-204",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), env) },
	}
	f := cmd.Flags()
	f.StringVar(&s.acs, "acs", "http://127.0.0.1:7547", "URL of the ACS")
	f.StringVar(&s.model, "model", "", "built-in model or CSV file (path,writable,value,type)")
	f.IntVar(&s.count, "count", 1, "how many of each model")
	f.IntVar(&s.first, "first", 1, "serial number of the first")
	f.DurationVar(&s.interval, "interval", 0, "periodic Inform; 0: as the model says")
	f.DurationVar(&s.reboot, "reboot-time", time.Second, "how long a reboot takes")
	f.StringVar(&s.listen, "listen", "127.0.0.1:0", "address for Connection Requests")
	f.StringVar(&s.username, "username", "", "user name for the ACS")
	f.StringVar(&s.password, "password", "", "password for the ACS")
	f.StringArrayVar(&s.quirks, "quirk", nil, "number or name of a quirk that the CPE has; repeatable")
	f.BoolVar(&s.list, "list-quirks", false, "list the quirks and end")
	f.StringVar(&s.level, "log", "info", "debug, info, warn or error")
	return cmd
}

func (s *simCPE) run(ctx context.Context, env Env) error {
	if s.list {
		s.listQuirks(env)
		return nil
	}
	var quirks cpe.Quirks
	for _, name := range s.quirks {
		if err := quirks.Turn(name); err != nil {
			return usageError{err}
		}
	}
	models, err := s.models()
	if err != nil {
		return usageError{err}
	}
	if s.count < 1 {
		return usageError{errors.New("--count is at least 1")}
	}
	log, err := obs.NewLogger(env.Stderr, s.level, "console")
	if err != nil {
		return usageError{err}
	}
	group, ctx := errgroup.WithContext(ctx)
	var rows [][]string
	for _, m := range models {
		for i := range s.count {
			c, err := s.device(m, i, quirks, log)
			if err != nil {
				return err
			}
			id := c.Identity()
			rows = append(rows, []string{m.Name(), id.String(), string(agent.EndpointIDFor(id))})
			group.Go(func() error { return c.Run(ctx) })
		}
	}
	out := output{to: env.Stdout}
	out.table([]string{"MODEL", "CPE", "VIRTUAL AGENT"}, rows[:min(len(rows), 50)])
	if len(rows) > 50 {
		fmt.Fprintf(env.Stdout, "… and %d more\n", len(rows)-50)
	}
	return group.Wait()
}

// listQuirks prints what --quirk takes; those without a number are not in the
// list of quirks.
func (*simCPE) listQuirks(env Env) {
	var rows [][]string
	for _, q := range cpe.AllQuirks() {
		number := "-"
		if q.Number > 0 {
			number = strconv.Itoa(q.Number)
		}
		rows = append(rows, []string{number, q.Name, q.Does})
	}
	out := output{to: env.Stdout}
	out.table([]string{"NO", "NAME", "THE CPE"}, rows)
}

func (s *simCPE) models() ([]*cpe.Model, error) {
	switch {
	case s.model == "":
		var out []*cpe.Model
		for _, name := range cpe.Builtin() {
			m, err := cpe.LoadBuiltin(name)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		return out, nil
	case slices.Contains(cpe.Builtin(), s.model):
		m, err := cpe.LoadBuiltin(s.model)
		return []*cpe.Model{m}, err
	default:
		m, err := cpe.LoadFile(s.model)
		return []*cpe.Model{m}, err
	}
}

// device makes the i-th CPE of a model.
func (s *simCPE) device(m *cpe.Model, i int, quirks cpe.Quirks, log *zap.Logger) (*cpe.CPE, error) {
	o := cpe.Options{
		ACS: s.acs, Model: m, PeriodicInterval: s.interval, RebootTime: s.reboot, ConnReqListen: s.listen,
		Username: s.username, Password: s.password, Quirks: quirks, Log: log,
	}
	if slices.Contains(cpe.Builtin(), m.Name()) || s.count > 1 {
		o.Serial = strconv.Itoa(s.first + i)
	}
	return cpe.New(o)
}
