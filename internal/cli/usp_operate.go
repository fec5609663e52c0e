// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func (u *uspVerb) operateCommand() *cobra.Command {
	var key string
	var wait bool
	cmd := &cobra.Command{
		Use:     "operate COMMAND [ARGUMENT=VALUE…]",
		Short:   "Run a command",
		Example: "  uspgate usp operate --wait --to ops::00D09E-DSL100-1 'Device.Reboot()'",
		Args:    atLeast(1, "a command and ARGUMENT=VALUE…"),
		RunE: func(cmd *cobra.Command, args []string) error {
			arguments, err := named(args[1:])
			if err != nil {
				return usageError{err}
			}
			if key == "" {
				key = "cli-" + randomHex()
			}
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				ctx, cancel := p.deadline(ctx)
				defer cancel()
				if !wait {
					_, err := u.operate(ctx, p, args[0], key, arguments)
					return err
				}
				return u.operateAndWait(ctx, p, args[0], key, arguments)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "command_key; empty: a random one")
	cmd.Flags().BoolVar(&wait, "wait", false,
		"subscribe to OperationComplete, and for a reboot to Boot!, and wait for it")
	return cmd
}

// operation is one line of the result of operate.
type operation struct {
	Command string            `json:"command"`
	Request string            `json:"request,omitempty"` // of an asynchronous command
	Output  map[string]string `json:"output,omitempty"`
}

// operate runs the command and reports whether it goes on asynchronously.
func (u *uspVerb) operate(
	ctx context.Context, p *peer, command, key string, args map[string]string,
) (async bool, err error) {
	resp, err := p.Operate(ctx, p.agent, command, key, args)
	if err != nil {
		return false, err
	}
	list := []operation{}
	var rows [][]string
	var failures []failure
	for _, r := range resp.GetOperationResults() {
		if f := r.GetCmdFailure(); f != nil {
			failures = append(failures, failure{r.GetExecutedCommand(), f.GetErrCode(), f.GetErrMsg()})
			continue
		}
		op := operation{r.GetExecutedCommand(), r.GetReqObjPath(), r.GetReqOutputArgs().GetOutputArgs()}
		async = async || op.Request != ""
		list = append(list, op)
		rows = append(rows, []string{op.Command, op.Request, pairs(op.Output)})
	}
	wanted, err := u.out.json(map[string]any{"operations": list, "errors": orEmpty(failures)})
	if err != nil {
		return false, err
	}
	if !wanted && len(rows) > 0 {
		u.out.table([]string{"COMMAND", "REQUEST", "OUTPUT"}, rows)
	}
	return async, u.report(len(list), failures)
}

// operateAndWait subscribes first, so that nothing is missed.
func (u *uspVerb) operateAndWait(
	ctx context.Context, p *peer, command, key string, args map[string]string,
) (err error) {
	boots := strings.HasSuffix(command, "Reboot()") || strings.HasSuffix(command, "FactoryReset()")
	subs := []controller.Subscription{{ID: key + "-done", Type: "OperationComplete", References: []string{command}}}
	if boots {
		subs = append(subs, controller.Subscription{ID: key + "-boot", Type: "Event", References: []string{"Device.Boot!"}})
	}
	drop, err := subscribeAll(ctx, p, subs)
	defer func() { err = errors.Join(err, drop()) }()
	if err != nil {
		return err
	}
	async, err := u.operate(ctx, p, command, key, args)
	if err != nil {
		return err
	}
	done, booted := !async, !boots
	for !done || !booted {
		n, err := nextNotify(ctx, p)
		if err != nil {
			return err
		}
		if err := u.printNotify(n); err != nil {
			return err
		}
		complete := n.GetOperComplete()
		if complete != nil && complete.GetCommandKey() == key {
			done = true
			if f := complete.GetCmdFailure(); f != nil {
				return &usp.Error{Code: usp.Code(f.GetErrCode()), Path: command, Text: f.GetErrMsg()}
			}
		}
		booted = booted || n.GetEvent().GetEventName() == "Boot!"
	}
	return nil
}

// subscribeAll adds Subscriptions; drop deletes those that were added, also
// after a failure.
func subscribeAll(ctx context.Context, p *peer, subs []controller.Subscription) (drop func() error, err error) {
	var rows []string
	drop = func() error {
		if len(rows) == 0 {
			return nil
		}
		ctx, cancel := p.deadline(context.WithoutCancel(ctx))
		defer cancel()
		_, err := p.Delete(ctx, p.agent, true, rows...)
		return err
	}
	for _, s := range subs {
		row, err := p.Subscribe(ctx, p.agent, s)
		if err != nil {
			return drop, err
		}
		rows = append(rows, row)
	}
	return drop, nil
}

func nextNotify(ctx context.Context, p *peer) (controller.Notify, error) {
	select {
	case n := <-p.Notifies():
		return n, nil
	case <-ctx.Done():
		return controller.Notify{}, ctx.Err()
	}
}

func (u *uspVerb) subscribeCommand() *cobra.Command {
	var count int
	var retry bool
	cmd := &cobra.Command{
		Use:   "subscribe TYPE PATH…",
		Short: "Subscribe and print notifications until interrupted",
		Long: "Subscribe and print notifications until interrupted. TYPE is ValueChange, ObjectCreation,\n" +
			"ObjectDeletion, OperationComplete or Event. The Subscription is deleted at the end.",
		Example: "  uspgate usp subscribe --to ops::00D09E-DSL100-1 ValueChange Device.WiFi.SSID.",
		Args:    atLeast(2, "a type and at least one path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return u.with(cmd.Context(), func(ctx context.Context, p *peer) error {
				return u.subscribe(ctx, p, controller.Subscription{
					ID: "cli-" + randomHex(), Type: args[0], References: args[1:], Retry: retry,
				}, count)
			})
		},
	}
	cmd.Flags().IntVar(&count, "count", 0, "end after so many notifications; 0: never")
	cmd.Flags().BoolVar(&retry, "retry", false, "have the Agent repeat what is not answered (NotifRetry)")
	return cmd
}

func (u *uspVerb) subscribe(ctx context.Context, p *peer, s controller.Subscription, count int) (err error) {
	setup, cancel := p.deadline(ctx)
	drop, err := subscribeAll(setup, p, []controller.Subscription{s})
	cancel()
	defer func() { err = errors.Join(err, drop()) }()
	if err != nil {
		return err
	}
	for i := 0; count == 0 || i < count; i++ {
		n, err := nextNotify(ctx, p)
		if err != nil {
			return nil // interrupted is how it ends
		}
		if err := u.printNotify(n); err != nil {
			return err
		}
	}
	return nil
}

// notification is the JSON of one Notify.
type notification struct {
	From   string            `json:"from"`
	Type   string            `json:"type"`
	Path   string            `json:"path"`
	Values map[string]string `json:"values,omitempty"`
	Error  *failure          `json:"error,omitempty"`
}

func (u *uspVerb) printNotify(n controller.Notify) error {
	v := describe(n.Notify)
	v.From = string(n.From)
	if wanted, err := u.out.json(v); wanted {
		return err
	}
	line := fmt.Sprintf("%s  %s  %s", v.Type, v.Path, pairs(v.Values))
	if v.Error != nil {
		line += fmt.Sprintf("%d %s", v.Error.Code, v.Error.Text)
	}
	_, err := fmt.Fprintln(u.out.to, printable(strings.TrimSpace(line)))
	return err
}

func describe(n *uspmsg.Notify) notification {
	switch {
	case n.GetValueChange() != nil:
		c := n.GetValueChange()
		values := map[string]string{"value": c.GetParamValue()}
		return notification{Type: "ValueChange", Path: c.GetParamPath(), Values: values}
	case n.GetObjCreation() != nil:
		c := n.GetObjCreation()
		return notification{Type: "ObjectCreation", Path: c.GetObjPath(), Values: c.GetUniqueKeys()}
	case n.GetObjDeletion() != nil:
		return notification{Type: "ObjectDeletion", Path: n.GetObjDeletion().GetObjPath()}
	case n.GetOperComplete() != nil:
		c := n.GetOperComplete()
		v := notification{
			Type: "OperationComplete", Path: c.GetObjPath() + c.GetCommandName(),
			Values: c.GetReqOutputArgs().GetOutputArgs(),
		}
		if f := c.GetCmdFailure(); f != nil {
			v.Error = &failure{v.Path, f.GetErrCode(), f.GetErrMsg()}
		}
		return v
	case n.GetEvent() != nil:
		e := n.GetEvent()
		return notification{Type: "Event", Path: e.GetObjPath() + e.GetEventName(), Values: e.GetParams()}
	case n.GetOnBoardReq() != nil:
		o := n.GetOnBoardReq()
		return notification{Type: "OnBoardRequest", Path: "Device.", Values: map[string]string{
			"oui": o.GetOui(), "product_class": o.GetProductClass(), "serial_number": o.GetSerialNumber(),
		}}
	default:
		return notification{Type: "unknown"}
	}
}
