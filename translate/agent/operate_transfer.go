// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// Files is the gateway's own file server. Safe for concurrent use; its methods block
// for as long as storage does.
type Files interface {
	// Open makes a URL for one transfer of one CPE, and is durable when it returns nil:
	// the CPE may come after a restart of the gateway, or to another node. The text of
	// an error that wraps ErrFile is for the Controller.
	Open(ctx context.Context, f File) (Ticket, error)
	// Relays reports whether the gateway is to fetch what lies at a URL and serve it
	// itself: Open does so with a Source.
	Relays(url string) bool
	// Close ends a URL; one that is not known is no error.
	Close(ctx context.Context, token string) error
}

// ErrFile is what Open fails with where the file is not there, is not what it should be, or may not be named.
var ErrFile = errors.New("file server")

// File is a transfer that the gateway's file server is to make possible.
type File struct {
	Agent usp.EndpointID
	// Name is that of the file below the folder of the server, with slashes. Or
	Name string
	// Source is a URL that is to be fetched first, with a login unless that is empty.
	Source, Username, Password string
	// Upload: the CPE writes it.
	Upload bool
	// CheckSumAlgorithm and CheckSum, unless empty, are what the content has to have,
	// by the words of TR-181 and in hex.
	CheckSumAlgorithm, CheckSum string
}

// Ticket is what the RPC says of a File.
type Ticket struct {
	// Token names it, as in FileEvent.
	Token string
	URL   string
	// Username and Password may be empty.
	Username, Password string
	// Size is in bytes, 0 for an upload.
	Size int64
}

// fileScheme begins the URL of a file of the gateway: uspgate:firmware/router.bin.
const fileScheme = "uspgate:"

// fileArgs are the arguments that all commands with a URL have.
func fileArgs(more ...string) []string {
	return append([]string{"URL", "Username", "Password"}, more...)
}

// startTransfer makes the Job of a command. The RPC leaves once the command is
// answered; c.err says why there is none.
func (a *Agent) startTransfer(c *call, j transfer.Job) {
	j.URL, j.Username, j.Password = c.args["URL"], c.args["Username"], c.args["Password"]
	if size, ok := parseUint(c.args["FileSize"]); ok {
		j.Size = uint32(size)
	}
	if j.Target == "" {
		j.Target = c.args["TargetFileName"]
	}
	files := a.host.opts.Files
	if name, own := strings.CutPrefix(j.URL, fileScheme); own {
		if c.err = a.openFile(c, &j, name); c.err != nil {
			return
		}
	} else if files != nil && !j.Upload && files.Relays(j.URL) {
		j.Source, j.URL, j.Relay = j.URL, "", true
		j.SumAlgorithm, j.Sum = c.args["CheckSumAlgorithm"], c.args["CheckSum"]
	}
	if j.Source == "" && c.args["CheckSum"] != "" {
		a.host.metrics.deviate(deviationCheckSum)
	}
	a.lock()
	defer a.unlock()
	form, wait, _ := a.transferForm()
	now := time.Now()
	row := strings.TrimSuffix(strings.TrimPrefix(c.row, requestTable), ".")
	n, _ := parseUint(row)
	j.Name, j.Key, j.Version = c.row, transfer.NewKey(uint32(n), now), a.firmware()
	j.By, j.Held, j.Wait = heldBy(c.r.journalKey()), true, int64(wait/time.Second)
	err := error(nil)
	if !j.Relay {
		if err = form.Check(j.URL); err == nil {
			err = form.Complete(&j)
		}
	}
	if err == nil {
		err = a.transfers.table.Add(j, now)
	}
	switch {
	case errors.Is(err, transfer.ErrFull):
		c.err = invalid(usp.CodeResourcesExceeded, "", "too many transfers of this CPE are under way")
	case err != nil:
		c.err = invalid(usp.CodeInvalidCommandArgs, "", strings.TrimPrefix(err.Error(), transfer.ErrInvalid.Error()+": "))
	}
	if c.err != nil {
		a.closeFile(j.Token)
		return
	}
	a.changed()
	a.armTransfers()
}

// openFile has the gateway's file server move the file of a Job.
func (a *Agent) openFile(c *call, j *transfer.Job, name string) *usp.Error {
	files := a.host.opts.Files
	if files == nil {
		return invalid(usp.CodeInvalidCommandArgs, "", "the gateway has no file server: cwmp.files is not configured")
	}
	t, err := files.Open(c.ctx, File{
		Agent: a.id, Name: name, Upload: j.Upload,
		CheckSumAlgorithm: c.args["CheckSumAlgorithm"], CheckSum: c.args["CheckSum"],
	})
	switch {
	case errors.Is(err, ErrFile):
		return invalid(usp.CodeCommandFailure, "", err.Error())
	case err != nil:
		a.log.Warn("the file server does not take a transfer", zap.Error(err))
		return invalid(usp.CodeCommandFailure, "", "the file server of the gateway is not available")
	}
	j.Source = j.URL
	t.describe(j)
	return nil
}

// describe has a Job say what the Ticket says.
func (t *Ticket) describe(j *transfer.Job) {
	j.URL, j.Token, j.Username, j.Password = t.URL, t.Token, t.Username, t.Password
	if t.Size > 0 && t.Size <= 1<<32-1 {
		j.Size = uint32(t.Size)
	}
}

// relayTransfers fetches the files that the gateway is to serve, one after the other, in
// the background. The lock is held.
func (a *Agent) relayTransfers() {
	if !a.transfers.fetching && a.transfers.table.NextRelay(time.Now()) != nil {
		a.transfers.fetching = a.host.spawn(a.relay)
	}
}

// relay is what relayTransfers does in the background.
func (a *Agent) relay(ctx context.Context) {
	for {
		a.lock()
		next := a.transfers.table.NextRelay(time.Now())
		if next == nil || ctx.Err() != nil {
			a.transfers.fetching = false
			a.sendTransfers()
			a.unlock()
			return
		}
		j := *next
		a.unlock()
		a.relayOne(ctx, &j)
	}
}

// maxRelays is how often a file is asked for whose server is not there.
const maxRelays = 5

// relayOne fetches the file of a Job.
func (a *Agent) relayOne(ctx context.Context, j *transfer.Job) {
	err, t := errors.New("the gateway has no file server"), Ticket{}
	if files := a.host.opts.Files; files != nil {
		t, err = files.Open(ctx, File{
			Agent: a.id, Source: j.Source, Username: j.Username, Password: j.Password,
			CheckSumAlgorithm: j.SumAlgorithm, CheckSum: j.Sum,
		})
	}
	a.lock()
	defer a.unlock()
	a.changed()
	switch {
	case err == nil:
		t.describe(j)
		form, _, _ := a.transferForm()
		if err = form.Check(j.URL); err == nil {
			err = form.Complete(j)
		}
		if err != nil || !a.transfers.table.Relayed(*j) {
			a.closeFile(t.Token)
		}
	case ctx.Err() != nil: // the next process goes on
		return
	}
	hopeless := errors.Is(err, ErrFile) || errors.Is(err, transfer.ErrInvalid)
	if err == nil || !hopeless && a.transfers.table.Postpone(j.Name, time.Now()) < maxRelays {
		return
	}
	fault := cwmp.Fault{Code: cwmp.FaultContactFileServer, Text: "the gateway could not fetch the file"}
	if hopeless {
		fault.Text = err.Error()
	}
	a.log.Info("a file that a CPE is to fetch cannot be had", zap.Error(err))
	a.transferNews(a.transfers.table.Refuse(j.Name, fault))
}

// closeFile ends a URL of the gateway's file server, in the background.
func (a *Agent) closeFile(token string) {
	files := a.host.opts.Files
	if token == "" || files == nil {
		return
	}
	a.host.spawn(func(ctx context.Context) {
		if err := files.Close(ctx, token); err != nil {
			a.log.Warn("a URL of the file server could not be closed", zap.Error(err))
		}
	})
}

// FileEvent tells that the file server has begun to move a file of an Agent, or, with
// whole, has moved all of it. It does not block.
func (h *Host) FileEvent(id usp.EndpointID, token string, whole bool) {
	r := &h.registry
	r.mu.Lock()
	e := r.byID[id]
	r.mu.Unlock()
	if e == nil {
		return
	}
	h.spawn(func(ctx context.Context) {
		a, err := h.need(ctx, e, nil)
		if err != nil {
			h.log.Debug("a file event finds no Agent", zap.Error(err))
			return
		}
		a.lock()
		defer a.unlock()
		j := a.transfers.table.Find(token)
		if !a.transfers.table.Fetch(token, whole, time.Now()) {
			return
		}
		a.changed()
		if _, _, unreliable := a.transferForm(); unreliable && whole && !j.Firmware { // [quirk 68]
			a.transferNews(a.transfers.table.Conclude(j.Name, ""))
		}
		a.armTransfers()
	})
}

// cancelTransfer ends a transfer that a Controller does not want any more: one that has
// left needs the consent of the CPE [TR-069 A.4.1.9]. It is the end of a Request.
func (a *Agent) cancelTransfer(c *call) {
	if a.cancelAsked(c.object) {
		return
	}
	a.lock()
	j := a.transfers.table.Get(c.object)
	key := ""
	if j != nil {
		key = j.Key
	}
	a.unlock()
	if j == nil { // over meanwhile
		return
	}
	if _, err := c.send(&cwmp.CancelTransfer{CommandKey: key}); err != nil {
		c.err = commandError(err)
		return
	}
	a.lock()
	defer a.unlock()
	a.transferCanceled(c.object)
}

// cancelAsked ends a transfer that has not left.
func (a *Agent) cancelAsked(row string) bool {
	a.lock()
	defer a.unlock()
	j := a.transfers.table.Get(row)
	if j == nil || j.Out() {
		return false
	}
	if a.transfers.waiting == row {
		a.transfers.stop()
	}
	a.transferCanceled(row)
	return true
}

// transferCanceled removes a transfer and its Request. The lock is held.
func (a *Agent) transferCanceled(row string) {
	j := a.transfers.table.Get(row)
	if j == nil {
		return
	}
	a.transfers.table.Drop(row)
	a.closeFile(j.Token)
	a.setRequest(row, requestCanceled)
	a.closeRequest(row, nil, invalid(usp.CodeCommandCanceled, "", "canceled"))
	a.armTransfers()
	a.changed()
}
