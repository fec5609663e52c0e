// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Bounds of transfers.
const (
	maxTransfers    = 16
	maxTransfer     = 1 << 30
	transferTimeout = 30 * time.Minute
)

// transfer is a Download, ScheduleDownload or Upload whose TransferComplete the
// ACS has not answered yet. It survives reboots.
type transfer struct {
	event    string // the M event
	key      string
	isUpload bool
	fileType string
	url      string
	username string
	password string
	size     uint32
	target   string
	asked    time.Time
	delay    time.Duration
	windows  []cwmp.TimeWindow

	// Guarded by CPE.mu.
	state    int
	reported *cwmp.TransferComplete
}

// download answers; the transfer begins after the session, and a
// TransferComplete follows [TR-069 A.3.2.8].
func (c *CPE) download(m *cwmp.Download) cwmp.Response {
	if code := c.opts.Quirks.refusesDownload(m); code != 0 {
		return fault(code)
	}
	f := c.queue(&transfer{
		event: cwmp.EventMDownload, key: m.CommandKey, fileType: m.FileType, url: m.URL, username: m.Username,
		password: m.Password, size: m.FileSize, target: m.TargetFileName, delay: delay(m.DelaySeconds),
	})
	if f != nil {
		return f
	}
	return &cwmp.DownloadResponse{Status: 1, StartTime: unknownTime, CompleteTime: unknownTime}
}

// upload is download the other way [TR-069 A.4.1.5].
func (c *CPE) upload(m *cwmp.Upload) cwmp.Response {
	if _, ok := c.file(m.FileType); !ok {
		return fault(cwmp.FaultInvalidArguments)
	}
	f := c.queue(&transfer{
		event: cwmp.EventMUpload, key: m.CommandKey, isUpload: true, fileType: m.FileType, url: m.URL,
		username: m.Username, password: m.Password, delay: delay(m.DelaySeconds),
	})
	if f != nil {
		return f
	}
	return &cwmp.UploadResponse{Status: 1, StartTime: unknownTime, CompleteTime: unknownTime}
}

// scheduleDownload is download in one of up to two windows of time
// [TR-069 A.4.1.8].
func (c *CPE) scheduleDownload(m *cwmp.ScheduleDownload) cwmp.Response {
	if len(m.Windows) == 0 || len(m.Windows) > 2 {
		return fault(cwmp.FaultInvalidArguments)
	}
	last := uint32(0)
	for _, w := range m.Windows {
		if w.Start < last || w.End <= w.Start || len(w.Mode) < 2 {
			return fault(cwmp.FaultInvalidArguments)
		}
		last = w.End
	}
	f := c.queue(&transfer{
		event: cwmp.EventMScheduleDownload, key: m.CommandKey, fileType: m.FileType, url: m.URL, username: m.Username,
		password: m.Password, size: m.FileSize, target: m.TargetFileName, windows: slices.Clone(m.Windows),
	})
	if f != nil {
		return f
	}
	return &cwmp.ScheduleDownloadResponse{}
}

// queue takes a transfer that begins when the session is over, or says why it
// cannot be one.
func (c *CPE) queue(t *transfer) *cwmp.Fault {
	u, err := url.Parse(t.url)
	switch {
	case err != nil || len(t.key) > maxParameterKey || t.fileType == "":
		return fault(cwmp.FaultInvalidArguments)
	case u.Scheme != "http" && u.Scheme != "https":
		return fault(cwmp.FaultUnsupportedProtocol)
	case u.User != nil:
		return fault(cwmp.FaultInvalidArguments)
	}
	t.asked, t.state = time.Now(), cwmp.TransferNotStarted
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.todo.transfers)+len(c.transfers) >= maxTransfers {
		return fault(cwmp.FaultResourcesExceeded)
	}
	if c.opts.Quirks.TransferInSession && c.spawn != nil {
		c.begin(t)
		return nil
	}
	c.todo.transfers = append(c.todo.transfers, t)
	return nil
}

// begin starts a transfer. The caller has the lock.
func (c *CPE) begin(t *transfer) {
	c.transfers = append(c.transfers, t)
	c.spawn(func(ctx context.Context) { c.transfer(ctx, t) })
}

// transfer carries the file, applies it and reports. If the power goes first,
// it is begun again after the next boot.
func (c *CPE) transfer(ctx context.Context, t *transfer) {
	start, ok := t.start()
	if ok && !sleep(ctx, time.Until(start)) {
		return
	}
	f := *fault(cwmp.FaultTimeWindow)
	start = time.Now()
	var content []byte
	if ok {
		c.setState(t, cwmp.TransferInProgress)
		if t.isUpload {
			f = c.send(ctx, t)
		} else {
			content, f = c.fetch(ctx, t)
		}
	}
	if ctx.Err() != nil {
		c.setState(t, cwmp.TransferNotStarted)
		return
	}
	tc := &cwmp.TransferComplete{
		CommandKey: t.key, Fault: f,
		StartTime: start.UTC().Format(time.RFC3339), CompleteTime: time.Now().UTC().Format(time.RFC3339),
	}
	if f.Code != 0 {
		tc.StartTime, tc.CompleteTime = unknownTime, unknownTime
	}
	c.carried(ctx, t, tc, content)
}

// start is when the transfer may begin: after its delay, or in the first window
// that is not over; false if all are.
func (t *transfer) start() (time.Time, bool) {
	if len(t.windows) == 0 {
		return t.asked.Add(t.delay), true
	}
	now := time.Now()
	for _, w := range t.windows {
		if now.Before(t.asked.Add(delay(w.End))) {
			return t.asked.Add(delay(w.Start)), true
		}
	}
	return time.Time{}, false
}

func (c *CPE) setState(t *transfer, state int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.state = state
}

// carried applies what a transfer brought, and reports it.
func (c *CPE) carried(ctx context.Context, t *transfer, tc *cwmp.TransferComplete, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.transfers, t) || ctx.Err() != nil { // forgotten by a factory reset
		return
	}
	t.state, t.reported = cwmp.TransferCompleted, tc
	firmware := tc.Fault.Code == 0 && !t.isUpload && isFirmware(t.fileType)
	if firmware {
		c.upgrade()
	}
	if tc.Fault.Code == 0 && !t.isUpload && !firmware {
		c.restore(content)
	}
	events := []cwmp.Event{{Code: cwmp.EventTransferComplete}, {Code: t.event, CommandKey: t.key}}
	said := c.opts.Quirks.transferComplete(tc, &events)
	switch {
	case said == nil: // [quirk 68]
		c.transfers = without(c.transfers, t)
	case firmware:
		t.reported = said
		c.client.Defer(said, events...)
	default:
		t.reported = said
		c.client.Send(said, events...)
	}
	if firmware {
		c.cycle(errReboot)
	}
}

// answered hears what the ACS said to a request of the CPE's own.
func (c *CPE) answered(req cwmp.Request, resp cwmp.Response) {
	if _, refused := resp.(*cwmp.Fault); !refused {
		c.mu.Lock()
		c.transfers = slices.DeleteFunc(c.transfers, func(t *transfer) bool {
			return t.reported != nil && cwmp.Request(t.reported) == req
		})
		c.mu.Unlock()
	}
	if c.opts.OnAnswer != nil {
		c.opts.OnAnswer(req, resp)
	}
}

// queued lists the transfers for both of the methods that ask [TR-069 A.4.1.7,
// A.4.2.1]: the device begins none by itself.
func (c *CPE) queued() []cwmp.QueuedTransfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []cwmp.QueuedTransfer
	for _, t := range slices.Concat(c.transfers, c.todo.transfers) {
		out = append(out, cwmp.QueuedTransfer{
			CommandKey: t.key, State: t.state, IsDownload: !t.isUpload, FileType: t.fileType, FileSize: t.size,
			TargetFileName: t.target,
		})
	}
	return out
}

// cancelTransfer forgets the transfers of a CommandKey, unless one of them is
// under way [TR-069 A.4.1.9].
func (c *CPE) cancelTransfer(m *cwmp.CancelTransfer) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	for _, t := range slices.Concat(c.transfers, c.todo.transfers) {
		if t.key == m.CommandKey {
			found = true
			if t.state != cwmp.TransferNotStarted {
				return fault(cwmp.FaultCancelNotPermitted)
			}
		}
	}
	if !found {
		return fault(cwmp.FaultInvalidArguments)
	}
	of := func(t *transfer) bool { return t.key == m.CommandKey }
	c.transfers = slices.DeleteFunc(c.transfers, of)
	c.todo.transfers = slices.DeleteFunc(c.todo.transfers, of)
	return &cwmp.CancelTransferResponse{}
}

func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(list, func(have T) bool { return have == v })
}

// delay is an argument in seconds.
func delay(secs uint32) time.Duration { return time.Duration(secs) * time.Second }

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(0, d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
