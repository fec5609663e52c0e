// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func (u *uspVerb) setCommand() *cobra.Command {
	var partial bool
	cmd := &cobra.Command{
		Use:     "set PATH=VALUE…",
		Short:   "Change parameters",
		Example: "  uspgate usp set --to ops::00D09E-DSL100-1 'Device.WiFi.SSID.1.SSID=hello world'",
		Args:    atLeast(1, "at least one PATH=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			objects, err := updates(args)
			if err != nil {
				return usageError{err}
			}
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.Set(ctx, p.agent, partial, objects...)
				if err != nil {
					return err
				}
				return u.printSet(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&partial, "allow-partial", false, "keep what succeeds when something fails")
	return cmd
}

// updates groups PATH=VALUE by object, in the order given.
func updates(args []string) ([]*uspmsg.Set_UpdateObject, error) {
	var order []string
	byObject := map[string]map[string]string{}
	for _, arg := range args {
		path, value, err := assignment(arg)
		if err != nil {
			return nil, err
		}
		dot := strings.LastIndexByte(path, '.') + 1
		object, name := path[:dot], path[dot:]
		if object == "" || name == "" {
			return nil, fmt.Errorf("%q does not name a parameter", path)
		}
		if byObject[object] == nil {
			byObject[object] = map[string]string{}
			order = append(order, object)
		}
		byObject[object][name] = value
	}
	out := make([]*uspmsg.Set_UpdateObject, len(order))
	for i, object := range order {
		out[i] = controller.Update(object, byObject[object])
	}
	return out, nil
}

// assignment splits at the first = outside of brackets: expressions hold some.
func assignment(arg string) (path, value string, err error) {
	depth := 0
	for i, c := range arg {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '=' && depth == 0:
			return arg[:i], arg[i+1:], nil
		}
	}
	return "", "", fmt.Errorf("%q is not NAME=VALUE", arg)
}

func (u *uspVerb) printSet(resp *uspmsg.SetResp) error {
	params := map[string]string{}
	var failures []failure
	for _, o := range resp.GetUpdatedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			failures = append(failures, failure{o.GetRequestedPath(), f.GetErrCode(), f.GetErrMsg()})
		}
		for _, in := range o.GetOperStatus().GetOperSuccess().GetUpdatedInstResults() {
			for name, value := range in.GetUpdatedParams() {
				params[in.GetAffectedPath()+name] = value
			}
			for _, e := range in.GetParamErrs() {
				failures = append(failures, failure{in.GetAffectedPath() + e.GetParam(), e.GetErrCode(), e.GetErrMsg()})
			}
		}
	}
	return u.printParams("updated", params, failures)
}

// printParams prints what was set.
func (u *uspVerb) printParams(what string, params map[string]string, failures []failure) error {
	wanted, err := u.out.json(map[string]any{what: params, "errors": orEmpty(failures)})
	if err != nil {
		return err
	}
	if !wanted && len(params) > 0 {
		var rows [][]string
		for _, path := range slices.Sorted(maps.Keys(params)) {
			rows = append(rows, []string{path, params[path]})
		}
		u.out.table([]string{"PATH", "VALUE"}, rows)
	}
	return u.report(len(params), failures)
}

func (u *uspVerb) addCommand() *cobra.Command {
	var partial bool
	cmd := &cobra.Command{
		Use:   "add TABLE [NAME=VALUE…]",
		Short: "Create a row",
		Example: "  uspgate usp add --to ops::00D09E-DSL100-1 Device.NAT.PortMapping. \\\n" +
			"    ExternalPort=8080 InternalPort=80 InternalClient=192.168.1.10 Protocol=TCP",
		Args: atLeast(1, "a table and NAME=VALUE…"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := named(args[1:])
			if err != nil {
				return usageError{err}
			}
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.Add(ctx, p.agent, partial, controller.Create(args[0], params))
				if err != nil {
					return err
				}
				return u.printAdd(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&partial, "allow-partial", false, "keep what succeeds when something fails")
	return cmd
}

// named reads NAME=VALUE….
func named(args []string) (map[string]string, error) {
	out := make(map[string]string, len(args))
	for _, arg := range args {
		name, value, err := assignment(arg)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

func (u *uspVerb) printAdd(resp *uspmsg.AddResp) error {
	type created struct {
		Path string            `json:"path"`
		Keys map[string]string `json:"unique_keys"`
	}
	list := []created{}
	var rows [][]string
	var failures []failure
	for _, o := range resp.GetCreatedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			failures = append(failures, failure{o.GetRequestedPath(), f.GetErrCode(), f.GetErrMsg()})
			continue
		}
		s := o.GetOperStatus().GetOperSuccess()
		list = append(list, created{s.GetInstantiatedPath(), s.GetUniqueKeys()})
		rows = append(rows, []string{s.GetInstantiatedPath(), pairs(s.GetUniqueKeys())})
		for _, e := range s.GetParamErrs() {
			failures = append(failures, failure{s.GetInstantiatedPath() + e.GetParam(), e.GetErrCode(), e.GetErrMsg()})
		}
	}
	wanted, err := u.out.json(map[string]any{"created": list, "errors": orEmpty(failures)})
	if err != nil {
		return err
	}
	if !wanted && len(rows) > 0 {
		u.out.table([]string{"CREATED", "UNIQUE KEYS"}, rows)
	}
	return u.report(len(list), failures)
}

func (u *uspVerb) deleteCommand() *cobra.Command {
	var partial bool
	cmd := &cobra.Command{
		Use:     "delete INSTANCE…",
		Short:   "Remove rows",
		Example: "  uspgate usp delete --to ops::00D09E-DSL100-1 Device.NAT.PortMapping.1.",
		Args:    atLeast(1, "at least one instance"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.Delete(ctx, p.agent, partial, args...)
				if err != nil {
					return err
				}
				return u.printDelete(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&partial, "allow-partial", false, "keep what succeeds when something fails")
	return cmd
}

func (u *uspVerb) printDelete(resp *uspmsg.DeleteResp) error {
	deleted := []string{}
	var failures []failure
	for _, o := range resp.GetDeletedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			failures = append(failures, failure{o.GetRequestedPath(), f.GetErrCode(), f.GetErrMsg()})
		}
		s := o.GetOperStatus().GetOperSuccess()
		deleted = append(deleted, s.GetAffectedPaths()...)
		for _, e := range s.GetUnaffectedPathErrs() {
			failures = append(failures, failure{e.GetUnaffectedPath(), e.GetErrCode(), e.GetErrMsg()})
		}
	}
	wanted, err := u.out.json(map[string]any{"deleted": deleted, "errors": orEmpty(failures)})
	if err != nil {
		return err
	}
	if !wanted {
		rows := make([][]string, len(deleted))
		for i, path := range deleted {
			rows[i] = []string{path}
		}
		u.out.table([]string{"DELETED"}, rows)
	}
	return u.report(len(deleted), failures)
}
