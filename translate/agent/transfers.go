// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/transfer"
)

// transfers is what an Agent has under way of Download and Upload. Its Jobs have the
// names of rows of the Request table, and are stored with the State.
//
// A Job leaves once the request that has asked for it is answered: one that was
// answered with an error is never sent. Where its CPE cannot be reached it waits
// for the next Inform, and the CPE is woken now and then meanwhile.
type transfers struct {
	table *transfer.Table
	// held are the requests of a previous process that have left Jobs which have not
	// left; see Agent.releaseLeft.
	held []string
	// events are those of the Inform of the session that is open.
	events []cwmp.Event
	// busy: a goroutine sends, asks or reads for the sake of a Job.
	busy bool
	// stop ends the waiting for the CPE for the sake of the Job named waiting.
	waiting string
	stop    context.CancelFunc
	// fetching: a goroutine fetches the files that the gateway is to serve.
	fetching bool
	// mute: the CPE has no method to say which transfers it has.
	mute  bool
	timer *timer
}

func (f *transfers) init(l transfer.Limits) {
	f.table, _ = transfer.New(l, nil)
}

// heldBy names a request for Job.Held.
func heldBy(k device.Key) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(k.From + "\x00" + k.MsgID))
	return strconv.FormatUint(h.Sum64(), 36)
}

// answered lets leave what has waited for the answer to a request.
func (a *Agent) answered(r *request) {
	a.lock()
	defer a.unlock()
	for _, f := range r.then {
		f()
	}
	if a.transfers.table.Release(heldBy(r.journalKey())) {
		a.changed()
		a.sendTransfers()
	}
}

// withdraw takes back what a request has begun that is answered with an error now. It
// reports whether something of it has left.
func (a *Agent) withdraw(k device.Key) (left bool) {
	a.lock()
	defer a.unlock()
	by := heldBy(k)
	a.local.each(requestTable, func(row string) {
		if a.local.values[row+hiddenBy] == by {
			a.dropRequest(row)
			a.changed()
		}
	})
	a.transfers.table.Each(func(j *transfer.Job) {
		switch {
		case j.By != by:
		case j.Out():
			left = true
		default:
			a.transfers.table.Drop(j.Name)
			a.dropRequest(j.Name)
			a.closeFile(j.Token)
			a.changed()
		}
	})
	return left
}

// resumeTransfers goes on with the Jobs of before. The lock is held.
func (a *Agent) resumeTransfers(stored []transfer.Job, restarted bool) {
	table, dropped := transfer.New(a.host.opts.Transfers, stored)
	if dropped > 0 {
		a.log.Error("transfers are forgotten: what is stored of them is damaged", zap.Int("transfers", dropped))
	}
	a.transfers.table = table
	table.Each(func(j *transfer.Job) {
		switch {
		case !a.local.exists(j.Name): // its Controller is gone
			table.Drop(j.Name)
			a.closeFile(j.Token)
			a.changed()
		case j.Held && restarted:
			a.transfers.held = append(a.transfers.held, j.By)
		}
	})
	a.sendTransfers()
}

// releaseLeft lets leave what a previous process has accepted: all its requests that
// were not answered are by now, and what they had begun is withdrawn.
func (a *Agent) releaseLeft() {
	if !a.host.recovered.Load() {
		return
	}
	for _, by := range a.transfers.held {
		a.transfers.table.Release(by)
	}
	a.transfers.held = nil
}

// sendTransfers sends what is to be sent, one RPC after the other, in the background,
// and sees to what is due later. The lock is held.
func (a *Agent) sendTransfers() {
	a.releaseLeft()
	a.relayTransfers()
	if a.transfers.table.Next(time.Now()) != nil {
		a.forTransfers(a.send)
	}
	a.armTransfers()
}

// forTransfers runs f on a goroutine of its own, unless there is one already, which
// looks for more to do when it is through. The lock is held.
func (a *Agent) forTransfers(f func(ctx context.Context, dev Device)) {
	if a.transfers.busy {
		return
	}
	dev := a.dev
	release := dev.Hold()
	a.transfers.busy = a.host.spawn(func(ctx context.Context) {
		defer release()
		f(ctx, dev)
		a.lock()
		defer a.unlock()
		a.transfers.busy = false
		a.sendTransfers()
	})
	if !a.transfers.busy {
		release()
	}
}

// send is what sendTransfers does in the background.
func (a *Agent) send(ctx context.Context, dev Device) {
	for {
		a.lock()
		next := a.transfers.table.Next(time.Now())
		if next == nil {
			a.unlock()
			return
		}
		j := *next
		a.unlock()
		a.sendOne(ctx, dev, &j)
		if ctx.Err() != nil {
			return
		}
	}
}

// sendOne sends the RPC of a Job. Where that cannot leave, the next Inform or the end of
// a pause has it tried again.
func (a *Agent) sendOne(ctx context.Context, dev Device, j *transfer.Job) {
	ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
	defer cancel()
	a.lock()
	a.transfers.waiting, a.transfers.stop = j.Name, cancel
	a.unlock()
	resp, err := dev.Call(device.OnWire(ctx, func() error { return a.transferLeaves(j) }), j.Request())
	var fault *cwmp.Fault
	if errors.As(err, &fault) {
		resp, err = fault, nil
	}
	a.lock()
	defer a.unlock()
	a.transfers.waiting, a.transfers.stop = "", nil
	a.changed()
	switch now := time.Now(); {
	case err == nil:
		a.transferNews(a.transfers.table.Answered(j.Name, j.Key, resp, now))
	case errors.Is(err, device.ErrOutcomeUnknown):
		a.transfers.table.Unanswered(j.Name, j.Key)
	default:
		a.transfers.table.Unsent(j.Name, j.Key, now)
	}
}

// errNotWanted: a Job was canceled while it waited.
var errNotWanted = errors.New("agent: the transfer is not wanted any more")

// transferLeaves makes durable that the RPC of a Job is about to leave.
func (a *Agent) transferLeaves(j *transfer.Job) error {
	a.lock()
	ok := a.transfers.table.Leave(j.Name, j.Key, time.Now())
	if ok {
		a.setRequest(j.Name, requestActive)
		a.changed()
	}
	a.unlock()
	if !ok {
		return errNotWanted
	}
	return a.Commit()
}

// armTransfers sees to what is due later: the CPE that is to be woken, the Job that is
// to be given up. The lock is held.
func (a *Agent) armTransfers() {
	a.stop(a.transfers.timer)
	a.transfers.timer = nil
	if at := a.transfers.table.Due(time.Now()); !at.IsZero() {
		a.transfers.timer = a.after(time.Until(at), a.transfersDue)
	}
}

// transfersDue gives up what is over, and tries again what waits. Of a Download of
// firmware it asks the CPE for its version first. The lock is held.
func (a *Agent) transfersDue() {
	a.transfers.timer = nil
	for {
		j := a.transfers.table.Expired(time.Now())
		if j == nil {
			break
		}
		if j.Firmware && j.State > transfer.Asked && a.view != nil && a.dev != nil {
			a.forTransfers(a.conclude)
			return
		}
		a.transferNews(a.transfers.table.Conclude(j.Name, a.firmware()))
	}
	a.sendTransfers()
}

// conclude ends the Jobs that are over, with the SoftwareVersion that the CPE has now
// [quirk 68].
func (a *Agent) conclude(ctx context.Context, dev Device) {
	ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
	defer cancel()
	a.lock()
	name := a.view.Root().Prefix() + "DeviceInfo.SoftwareVersion"
	version := a.firmware()
	a.unlock()
	resp, err := dev.Call(ctx, &cwmp.GetParameterValues{Names: []string{name}})
	a.lock()
	defer a.unlock()
	if got, ok := resp.(*cwmp.GetParameterValuesResponse); ok && err == nil && len(got.Params) == 1 {
		version = got.Params[0].Value
	}
	for j := a.transfers.table.Expired(time.Now()); j != nil; j = a.transfers.table.Expired(time.Now()) {
		a.transferNews(a.transfers.table.Conclude(j.Name, version))
	}
}

// transfersInform takes what an Inform says: the events of its session, and that the
// CPE is there. The lock is held.
func (a *Agent) transfersInform(in *cwmp.Inform) {
	if a.transfers.table.Len() == 0 {
		return
	}
	a.transfers.events = cloneEvents(in.Events)
	a.transfers.table.Ready()
	if a.transfers.table.Lost() && !a.transfers.mute {
		a.forTransfers(a.askForTransfers)
		return
	}
	a.sendTransfers()
}

// askForTransfers asks the CPE which transfers it has, where an RPC was lost, and sends
// what it does not have.
func (a *Agent) askForTransfers(ctx context.Context, dev Device) {
	list, ok := a.queuedTransfers(ctx, dev)
	a.lock()
	if !ok {
		a.unlock()
		return
	}
	for _, r := range a.transfers.table.Listed(list, time.Now()) {
		a.transferNews(r)
	}
	a.changed()
	a.releaseLeft()
	a.unlock()
	a.send(ctx, dev)
}

// queuedTransfers returns the transfers of the CPE, false if it does not say.
func (a *Agent) queuedTransfers(ctx context.Context, dev Device) ([]cwmp.QueuedTransfer, bool) {
	ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
	defer cancel()
	resp, err := dev.Call(ctx, &cwmp.GetAllQueuedTransfers{})
	if isFault(err) { // the method is optional, and younger than the other one
		resp, err = dev.Call(ctx, &cwmp.GetQueuedTransfers{})
	}
	switch r := resp.(type) {
	case *cwmp.GetAllQueuedTransfersResponse:
		return r.Transfers, err == nil
	case *cwmp.GetQueuedTransfersResponse:
		return r.Transfers, err == nil
	}
	a.lock()
	defer a.unlock()
	a.transfers.mute = isFault(err)
	return nil, false
}

// transfersSeen takes the end of a session. The lock is held.
func (a *Agent) transfersSeen(cause error) {
	a.transfers.events = nil
	if cause != nil || a.transfers.table.Len() == 0 {
		return
	}
	_, _, unreliable := a.transferForm()
	for _, r := range a.transfers.table.Seen(a.boot.firmware, unreliable, time.Now()) {
		a.transferNews(r)
	}
	a.armTransfers()
}

// cloneEvents copies events out of the memory of their envelope.
func cloneEvents(list []cwmp.Event) []cwmp.Event {
	out := make([]cwmp.Event, len(list))
	for i := range list {
		out[i] = cwmp.Event{Code: strings.Clone(list[i].Code), CommandKey: strings.Clone(list[i].CommandKey)}
	}
	return out
}
