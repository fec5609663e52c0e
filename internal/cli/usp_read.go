// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

func (u *uspVerb) getCommand() *cobra.Command {
	var depth uint32
	cmd := &cobra.Command{
		Use:     "get PATH…",
		Short:   "Read parameters",
		Example: "  uspgate usp get --to ops::00D09E-DSL100-1 Device.DeviceInfo. 'Device.WiFi.SSID.*.SSID'",
		Args:    atLeast(1, "at least one path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.Get(ctx, p.agent, depth, args...)
				if err != nil {
					return err
				}
				return u.printGet(resp)
			})
		},
	}
	cmd.Flags().Uint32Var(&depth, "max-depth", 0, "levels of sub-objects; 0: all")
	return cmd
}

// printGet prints values in the order of the answer, names sorted per object.
func (u *uspVerb) printGet(resp *uspmsg.GetResp) error {
	params := map[string]string{}
	var rows [][]string
	var failures []failure
	for _, req := range resp.GetReqPathResults() {
		if req.GetErrCode() != 0 {
			failures = append(failures, failure{req.GetRequestedPath(), req.GetErrCode(), req.GetErrMsg()})
		}
		for _, r := range req.GetResolvedPathResults() {
			for _, name := range slices.Sorted(maps.Keys(r.GetResultParams())) {
				value := r.GetResultParams()[name]
				params[r.GetResolvedPath()+name] = value
				rows = append(rows, []string{r.GetResolvedPath() + name, value})
			}
		}
	}
	if wanted, err := u.out.json(map[string]any{"params": params, "errors": orEmpty(failures)}); wanted {
		if err != nil {
			return err
		}
	} else if len(rows) > 0 {
		u.out.table([]string{"PATH", "VALUE"}, rows)
	}
	return u.report(len(resp.GetReqPathResults())-len(failures), failures)
}

func (u *uspVerb) instancesCommand() *cobra.Command {
	var firstLevel bool
	cmd := &cobra.Command{
		Use:     "instances TABLE…",
		Short:   "List the rows of tables with their unique keys",
		Example: "  uspgate usp instances --to ops::00D09E-DSL100-1 Device.WiFi.SSID.",
		Args:    atLeast(1, "at least one table"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.GetInstances(ctx, p.agent, firstLevel, args...)
				if err != nil {
					return err
				}
				return u.printInstances(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&firstLevel, "first-level", false, "leave the tables inside out")
	return cmd
}

func (u *uspVerb) printInstances(resp *uspmsg.GetInstancesResp) error {
	type instance struct {
		Path string            `json:"path"`
		Keys map[string]string `json:"unique_keys"`
	}
	list := []instance{}
	var rows [][]string
	var failures []failure
	for _, req := range resp.GetReqPathResults() {
		if req.GetErrCode() != 0 {
			failures = append(failures, failure{req.GetRequestedPath(), req.GetErrCode(), req.GetErrMsg()})
		}
		for _, in := range req.GetCurrInsts() {
			list = append(list, instance{in.GetInstantiatedObjPath(), in.GetUniqueKeys()})
			rows = append(rows, []string{in.GetInstantiatedObjPath(), pairs(in.GetUniqueKeys())})
		}
	}
	if wanted, err := u.out.json(map[string]any{"instances": list, "errors": orEmpty(failures)}); wanted {
		if err != nil {
			return err
		}
	} else if len(rows) > 0 {
		u.out.table([]string{"INSTANCE", "UNIQUE KEYS"}, rows)
	}
	return u.report(len(resp.GetReqPathResults())-len(failures), failures)
}

func (u *uspVerb) supportedDMCommand() *cobra.Command {
	var firstLevel bool
	cmd := &cobra.Command{
		Use:     "supported-dm [PATH…]",
		Short:   "Show what the Agent supports",
		Example: "  uspgate usp supported-dm --to ops::00D09E-DSL100-1 Device.WiFi.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"Device."}
			}
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				resp, err := p.GetSupportedDM(ctx, p.agent, &uspmsg.GetSupportedDM{
					ObjPaths: args, FirstLevelOnly: firstLevel, ReturnCommands: true, ReturnEvents: true,
					ReturnParams: true, ReturnUniqueKeySets: true,
				})
				if err != nil {
					return err
				}
				return u.printSupportedDM(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&firstLevel, "first-level", false, "one level only")
	return cmd
}

// supported is one line of supported-dm.
type supported struct {
	Path   string   `json:"path"`
	Kind   string   `json:"kind"` // object, table, parameter, command, event
	Access string   `json:"access,omitempty"`
	Type   string   `json:"type,omitempty"`
	Input  []string `json:"input,omitempty"`  // arguments of a command
	Output []string `json:"output,omitempty"` // of a command or event
}

// arguments is the last column of the table.
func (s *supported) arguments() string {
	text := strings.Join(s.Input, ",")
	if len(s.Output) > 0 {
		text += " → " + strings.Join(s.Output, ",")
	}
	return strings.TrimSpace(text)
}

func (u *uspVerb) printSupportedDM(resp *uspmsg.GetSupportedDMResp) error {
	list := []supported{}
	var failures []failure
	for _, req := range resp.GetReqObjResults() {
		if req.GetErrCode() != 0 {
			failures = append(failures, failure{req.GetReqObjPath(), req.GetErrCode(), req.GetErrMsg()})
		}
		for _, obj := range req.GetSupportedObjs() {
			list = append(list, supportedLines(obj)...)
		}
	}
	wanted, err := u.out.json(map[string]any{"supported": list, "errors": orEmpty(failures)})
	if err != nil {
		return err
	}
	if !wanted && len(list) > 0 {
		rows := make([][]string, len(list))
		for i, s := range list {
			rows[i] = []string{s.Path, s.Kind, s.Access, s.Type, s.arguments()}
		}
		u.out.table([]string{"PATH", "KIND", "ACCESS", "TYPE", "ARGUMENTS"}, rows)
	}
	return u.report(len(resp.GetReqObjResults())-len(failures), failures)
}

func supportedLines(obj *uspmsg.GetSupportedDMResp_SupportedObjectResult) []supported {
	path := obj.GetSupportedObjPath()
	kind := "object"
	if obj.GetIsMultiInstance() {
		kind = "table"
	}
	list := []supported{{Path: path, Kind: kind, Access: lower(obj.GetAccess().String(), "OBJ_")}}
	for _, p := range obj.GetSupportedParams() {
		list = append(list, supported{
			Path: path + p.GetParamName(), Kind: "parameter", Access: lower(p.GetAccess().String(), "PARAM_"),
			Type: lower(p.GetValueType().String(), "PARAM_"),
		})
	}
	for _, c := range obj.GetSupportedCommands() {
		list = append(list, supported{
			Path: path + c.GetCommandName(), Kind: "command", Type: lower(c.GetCommandType().String(), "CMD_"),
			Input: c.GetInputArgNames(), Output: c.GetOutputArgNames(),
		})
	}
	for _, e := range obj.GetSupportedEvents() {
		list = append(list, supported{Path: path + e.GetEventName(), Kind: "event", Output: e.GetArgNames()})
	}
	return list
}

// lower turns PARAM_READ_ONLY into read-only.
func lower(enum, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(enum, prefix)), "_", "-")
}

func (u *uspVerb) supportedProtocolCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "supported-protocol",
		Short:   "Show the versions of USP that the Agent supports",
		Example: "  uspgate usp supported-protocol --to ops::00D09E-DSL100-1",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				versions, err := p.GetSupportedProtocol(ctx, p.agent)
				if err != nil {
					return err
				}
				list := strings.Split(versions, ",")
				if wanted, err := u.out.json(map[string]any{"versions": list}); wanted {
					return err
				}
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{strings.TrimSpace(v)}
				}
				u.out.table([]string{"VERSION"}, rows)
				return nil
			})
		},
	}
}

// pairs prints a map as "a=b c=d".
func pairs(m map[string]string) string {
	out := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}

func orEmpty(list []failure) []failure {
	if list == nil {
		return []failure{}
	}
	return list
}
