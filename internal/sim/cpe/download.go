// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// Bounds of transfers.
const (
	maxTransfers    = 16
	maxTransfer     = 1 << 30
	transferTimeout = 30 * time.Minute
)

// transfer is one Download that has not been reported yet. It survives
// reboots.
type transfer struct{ req *cwmp.Download }

// download answers; the transfer begins after the session, and a
// TransferComplete follows [TR-069 A.3.2.8].
func (c *CPE) download(m *cwmp.Download) cwmp.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, err := url.Parse(m.URL)
	switch {
	case err != nil || len(m.CommandKey) > maxParameterKey || m.FileType == "":
		return fault(cwmp.FaultInvalidArguments)
	case u.Scheme != "http" && u.Scheme != "https":
		return fault(cwmp.FaultUnsupportedProtocol)
	case u.User != nil:
		return fault(cwmp.FaultInvalidArguments)
	case len(c.todo.downloads)+len(c.transfers) >= maxTransfers:
		return fault(cwmp.FaultResourcesExceeded)
	}
	c.todo.downloads = append(c.todo.downloads, m)
	return &cwmp.DownloadResponse{Status: 1, StartTime: unknownTime, CompleteTime: unknownTime}
}

// begin starts a transfer. The caller has the lock.
func (c *CPE) begin(m *cwmp.Download) {
	t := &transfer{req: m}
	c.transfers = append(c.transfers, t)
	c.spawn(func(ctx context.Context) { c.transfer(ctx, t) })
}

// transfer fetches the file, applies it and reports. If the power goes first,
// it is begun again after the next boot.
func (c *CPE) transfer(ctx context.Context, t *transfer) {
	delay := time.NewTimer(time.Duration(t.req.DelaySeconds) * time.Second)
	defer delay.Stop()
	select {
	case <-ctx.Done():
		return
	case <-delay.C:
	}
	start := time.Now()
	f := c.fetch(ctx, t.req)
	if ctx.Err() != nil {
		return
	}
	tc := &cwmp.TransferComplete{
		CommandKey: t.req.CommandKey, Fault: f,
		StartTime: start.UTC().Format(time.RFC3339), CompleteTime: time.Now().UTC().Format(time.RFC3339),
	}
	if f.Code != 0 {
		tc.StartTime, tc.CompleteTime = unknownTime, unknownTime
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.transfers, t)
	if i < 0 || ctx.Err() != nil { // forgotten by a factory reset
		return
	}
	c.transfers = slices.Delete(c.transfers, i, i+1)
	events := []cwmp.Event{
		{Code: cwmp.EventTransferComplete},
		{Code: cwmp.EventMDownload, CommandKey: t.req.CommandKey},
	}
	if f.Code == 0 && strings.HasPrefix(t.req.FileType, "1 ") {
		c.upgrade()
		c.client.Defer(tc, events...)
		c.cycle(errReboot)
		return
	}
	c.client.Send(tc, events...)
}

// upgrade gives the device the next software version; a factory reset keeps
// it. The caller has the lock.
func (c *CPE) upgrade() {
	path := c.model.Root() + "DeviceInfo.SoftwareVersion"
	next := nextVersion(c.root.find(path).value)
	c.root = c.root.put(path, next, cwmp.TypeString, false)
	c.factory = c.factory.put(path, next, cwmp.TypeString, false)
}

// nextVersion counts up the last number in a version.
func nextVersion(v string) string {
	end := strings.LastIndexAny(v, "0123456789") + 1
	start := end
	for start > 0 && v[start-1] >= '0' && v[start-1] <= '9' {
		start--
	}
	n, err := strconv.ParseUint(v[start:end], 10, 63)
	if err != nil {
		return v + ".1"
	}
	digits := strconv.FormatUint(n+1, 10)
	if pad := end - start - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	return v[:start] + digits + v[end:]
}

// fetch gets the file and returns the result as a TransferComplete has it.
func (c *CPE) fetch(ctx context.Context, m *cwmp.Download) cwmp.Fault {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	base := &http.Transport{DialContext: c.opts.Dial, TLSClientConfig: c.opts.TLS}
	defer base.CloseIdleConnections()
	resp, err := c.get(ctx, base, m)
	if err != nil {
		c.log.Info("file server not reached", zap.Error(err))
		return *fault(cwmp.FaultContactFileServer)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return *fault(cwmp.FaultFileServerAuth)
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusForbidden:
		return *fault(cwmp.FaultAccessFile)
	case resp.StatusCode != http.StatusOK:
		return *fault(cwmp.FaultDownloadFailure)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxTransfer))
	if err != nil || n == maxTransfer {
		return *fault(cwmp.FaultCompleteDownload)
	}
	if m.FileSize != 0 && n != int64(m.FileSize) {
		return *fault(cwmp.FaultDownloadFailure)
	}
	return cwmp.Fault{}
}

// get answers a challenge with Digest or Basic, whichever is asked for.
func (c *CPE) get(ctx context.Context, base *http.Transport, m *cwmp.Download) (*http.Response, error) {
	client := &http.Client{Transport: base}
	if m.Username != "" || m.Password != "" {
		client.Transport = &digest.Transport{Username: m.Username, Password: m.Password, Transport: base}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return nil, errors.Join(errors.New("request"), err)
	}
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || m.Username == "" {
		return resp, err
	}
	_ = resp.Body.Close()
	client.Transport = base
	req.SetBasicAuth(m.Username, m.Password)
	return client.Do(req)
}
