// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// activateCommand is FirmwareImage.{i}.Activate(), asynchronous: BootFirmwareImage and a
// Reboot, at the beginning of the first TimeWindow. The gateway keeps the time.
//
// Deviation activate_one_image: CWMP has no RPC that activates an image. Where the CPE
// has no table of images it has one, which is active, and there is nothing to activate.
//
// Deviation activate_window: of the modes of a TimeWindow a CPE cannot be told WhenIdle
// and ConfirmationNeeded.
func activateCommand() *command {
	return &command{
		name: "Activate()", async: true,
		in: []string{
			"TimeWindow.{i}.Start", "TimeWindow.{i}.End", "TimeWindow.{i}.Mode", "TimeWindow.{i}.UserMessage",
			"TimeWindow.{i}.MaxRetries",
		},
		run: (*Agent).operateActivate,
	}
}

// Stored with the row of an Activate(), and no parameters of it: when it is due, in
// seconds of Unix time, or onTheWire; until when a CPE that cannot be reached is tried
// again; and the request that has asked.
const (
	hiddenActivate = "+Activate"
	hiddenUntil    = "+Until"
	hiddenBy       = "+By"
	onTheWire      = "wire"
)

// activateAgain is the pause before a CPE is tried again that cannot be reached.
const activateAgain = time.Minute

func (a *Agent) operateActivate(c *call) {
	start, end, err := firstWindow(c.args)
	if err != nil {
		if wantsOtherMode(c.args) {
			a.host.metrics.deviate(deviationWindow)
		}
		c.err = err
		return
	}
	a.lock()
	defer a.unlock()
	if !a.ofCPE(c.object) || len(a.view.Sources(deviceInfo+"BootFirmwareImage")) == 0 {
		a.host.metrics.deviate(deviationOneImage)
		c.err = invalid(usp.CodeCommandFailure, "", "this CPE has one image, which is active")
		return
	}
	row, now := c.row, time.Now()
	due := now.Add(start)
	a.local.values[row+hiddenUntil] = strconv.FormatInt(now.Add(end).Unix(), 10)
	a.local.values[row+hiddenActivate] = strconv.FormatInt(due.Unix(), 10)
	a.local.values[row+hiddenBy] = heldBy(c.r.journalKey())
	a.changed()
	c.r.then = append(c.r.then, func() { a.armActivate(row, due) })
}

// wantsOtherMode reports whether a window has a mode that TR-181 knows and CWMP does not.
func wantsOtherMode(args map[string]string) bool {
	return slices.ContainsFunc([]string{"TimeWindow.1.Mode", "TimeWindow.2.Mode"}, func(name string) bool {
		return args[name] == "WhenIdle" || args[name] == "ConfirmationNeeded"
	})
}

// firstWindow returns when the first TimeWindow begins and the last one ends; both are
// now, if there is none.
func firstWindow(args map[string]string) (start, end time.Duration, _ *usp.Error) {
	first, last := uint64(0), uint64(0)
	for i := 1; i <= 2; i++ {
		window := "TimeWindow." + strconv.Itoa(i) + "."
		if args[window+"Mode"] == "" && args[window+"Start"] == "" && args[window+"End"] == "" {
			break
		}
		start, ok := parseUint(args[window+"Start"])
		end, also := parseUint(args[window+"End"])
		mode := args[window+"Mode"]
		switch {
		case !ok || !also || end <= start:
			return 0, 0, invalid(usp.CodeInvalidCommandArgs, "", window+" has no Start before its End")
		case mode != "AnyTime" && mode != "Immediately":
			return 0, 0, invalid(usp.CodeInvalidCommandArgs, "", window+"Mode has to be AnyTime or Immediately")
		case i == 1 || start < first:
			first = start
		}
		last = max(last, end)
	}
	return time.Duration(first) * time.Second, time.Duration(last) * time.Second, nil
}

// armActivate activates the image of a row in the background when it is due. The lock is
// held.
func (a *Agent) armActivate(row string, due time.Time) {
	a.scheduled[row] = a.after(time.Until(due), func() {
		if !a.local.exists(row) {
			return
		}
		if !a.host.recovered.Load() { // it may have to be withdrawn
			a.armActivate(row, time.Now().Add(time.Second))
			return
		}
		dev := a.dev
		release := dev.Hold()
		if !a.host.spawn(func(ctx context.Context) {
			defer release()
			a.activate(ctx, dev, row)
		}) {
			release()
		}
	})
}

// resumeActivate goes on with an Activate() of before, and reports whether the row is of
// one. The lock is held.
func (a *Agent) resumeActivate(row string) bool {
	text := a.local.values[row+hiddenActivate]
	due, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text == onTheWire:
		a.closeRequest(row, nil, outcomeUnknown("", "the gateway restarted while the image was being activated"))
	case err == nil:
		a.armActivate(row, time.Unix(due, 0))
	default:
		return false
	}
	return true
}

// activate has the CPE boot the image of a row.
func (a *Agent) activate(ctx context.Context, dev Device, row string) {
	ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
	defer cancel()
	err := a.bootImage(device.OnWire(ctx, func() error { return a.activateLeaves(row) }), dev, row)
	a.lock()
	defer a.unlock()
	if !a.local.exists(row) {
		return
	}
	until, _ := strconv.ParseInt(a.local.values[row+hiddenUntil], 10, 64)
	again := time.Now().Add(activateAgain)
	if errors.Is(err, device.ErrNotSent) && a.local.values[row+hiddenActivate] != onTheWire && again.Unix() < until {
		a.armActivate(row, again)
		return
	}
	var fail *usp.Error
	if err != nil && !errors.As(err, &fail) {
		fail = commandError(err)
	}
	a.closeRequest(row, map[string]string{}, fail)
	a.changed()
}

// bootImage sends the RPCs of an Activate().
func (a *Agent) bootImage(ctx context.Context, dev Device, row string) error {
	a.lock()
	image, _ := splitParam(a.local.get(row + "Command"))
	key := a.local.get(row + "CommandKey")
	vals, bad := a.view.PlanSet([]model.Setting{
		{Path: deviceInfo + "BootFirmwareImage", Value: strings.TrimSuffix(image, ".")},
	})
	a.unlock()
	if len(bad) > 0 {
		return bad[0].Err
	}
	if len(vals) > 0 {
		if _, err := dev.Call(ctx, &cwmp.SetParameterValues{Params: vals}); err != nil {
			return err
		}
	}
	a.lock()
	before := a.boot.ordered
	a.boot.ordered = &bootOrder{cause: causeRemoteReboot, key: key, reason: "Activate()"}
	a.changed()
	a.unlock()
	_, err := dev.Call(ctx, &cwmp.Reboot{CommandKey: wireKey(key)})
	if err != nil {
		a.bootNotOrdered(commandError(err), before)
	}
	return err
}

// activateLeaves makes durable that the CPE is about to be told.
func (a *Agent) activateLeaves(row string) error {
	a.lock()
	if a.local.exists(row) {
		a.setRequest(row, requestActive)
		a.local.values[row+hiddenActivate] = onTheWire
		a.changed()
	}
	a.unlock()
	return a.Commit()
}
