// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// configHeader is the first line of a configuration file of the sim, and the
// sign by which a download of one is restored.
const configHeader = "# sim/cpe configuration"

// maxConfig bounds the configuration file that is restored, in bytes.
const maxConfig = 16 << 20

// isFirmware reports whether a Download of the type changes the version.
func isFirmware(fileType string) bool { return strings.HasPrefix(fileType, "1 ") }

// file is the content of an Upload: the configuration or the log, the newer
// types with an instance number [TR-069 A.4.1.5]; false for what the CPE does
// not have.
func (c *CPE) file(fileType string) ([]byte, bool) {
	number := fileType[strings.LastIndexByte(fileType, ' ')+1:]
	switch {
	case fileType == "1 Vendor Configuration File":
		return c.config(), true
	case fileType == "2 Vendor Log File":
		return c.logFile(), true
	case strings.HasPrefix(fileType, "3 Vendor Configuration File "):
		return c.config(), c.hasRow("VendorConfigFile", number)
	case strings.HasPrefix(fileType, "4 Vendor Log File "):
		return c.logFile(), c.hasRow("VendorLogFile", number)
	default:
		return nil, false
	}
}

func (c *CPE) hasRow(table, number string) bool {
	return isInstance(number) && c.tree().find(c.model.Root()+"DeviceInfo."+table+"."+number+".") != nil
}

// config writes what the ACS may set, without the ManagementServer, which is
// not of the user's configuration, and without secrets.
func (c *CPE) config() []byte {
	root := c.tree()
	b := []byte(configHeader + "\n")
	root.walk("", func(path string, n *node) {
		if !n.object && n.writable && !n.secret && n.live == liveNone && !strings.Contains(path, ".ManagementServer.") {
			b = fmt.Appendf(b, "%s=%s\n", path, strconv.Quote(c.raw(n)))
		}
	})
	return b
}

// restore sets what a configuration file of config says and the tree has. The
// caller has the lock.
func (c *CPE) restore(content []byte) {
	rest, ok := bytes.CutPrefix(content, []byte(configHeader+"\n"))
	if !ok {
		return
	}
	for line := range strings.Lines(string(rest)) {
		path, quoted, _ := strings.Cut(strings.TrimSpace(line), "=")
		v, err := strconv.Unquote(quoted)
		n := c.root.find(path)
		if err != nil || n == nil || n.object || !n.writable || n.live != liveNone || !valid(n.typ, v) || c.raw(n) == v {
			continue
		}
		c.root = c.root.put(path, canon(n.typ, n.value, v), n.typ, true)
	}
}

// logFile is a log of the device.
func (c *CPE) logFile() []byte {
	id := c.Identity()
	return fmt.Appendf(nil, "%s boot\n%s %s\n", c.bootTime().UTC().Format(time.RFC3339),
		time.Now().UTC().Format(time.RFC3339), id.String())
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

// fetch gets the file, and returns what fits a configuration file and the
// result as a TransferComplete has it.
func (c *CPE) fetch(ctx context.Context, t *transfer) ([]byte, cwmp.Fault) {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	if c.opts.Quirks.DownloadFailsOnce && c.firstTry() {
		return nil, *fault(cwmp.FaultDownloadFailure)
	}
	resp, err := c.exchange(ctx, t, http.MethodGet, nil)
	if err != nil {
		return nil, c.unreached(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if code := statusFault(resp.StatusCode, cwmp.FaultDownloadFailure); code != 0 {
		return nil, *fault(code)
	}
	var content bytes.Buffer
	n, err := io.Copy(&content, io.LimitReader(resp.Body, maxConfig))
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxTransfer))
		n += rest
	}
	if err != nil || n >= maxTransfer {
		return nil, *fault(cwmp.FaultCompleteDownload)
	}
	if t.size != 0 && n != int64(t.size) {
		return nil, *fault(cwmp.FaultDownloadFailure)
	}
	return content.Bytes(), cwmp.Fault{}
}

// firstTry reports whether this is the first download of the device's life.
func (c *CPE) firstTry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.tried
	c.tried = true
	return first
}

// send puts the file that an Upload asks for.
func (c *CPE) send(ctx context.Context, t *transfer) cwmp.Fault {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	content, ok := c.file(t.fileType)
	if !ok {
		return *fault(cwmp.FaultUploadFailure)
	}
	method := http.MethodPut
	if c.opts.Quirks.UploadByPost {
		method = http.MethodPost
	}
	resp, err := c.exchange(ctx, t, method, content)
	if err != nil {
		return c.unreached(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if code := statusFault(resp.StatusCode, cwmp.FaultUploadFailure); code != 0 {
		return *fault(code)
	}
	return cwmp.Fault{}
}

func (c *CPE) unreached(err error) cwmp.Fault {
	c.log.Info("file server not reached", zap.Error(err))
	return *fault(cwmp.FaultContactFileServer)
}

// statusFault is the fault for a status of the file server; 0 for none.
func statusFault(status, other int) int {
	switch status {
	case http.StatusUnauthorized:
		return cwmp.FaultFileServerAuth
	case http.StatusNotFound, http.StatusForbidden:
		return cwmp.FaultAccessFile
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return 0
	default:
		return other
	}
}

// exchange asks the file server, and answers a challenge with Digest or Basic,
// whichever it wants. With the body of the answer the connection is closed.
func (c *CPE) exchange(ctx context.Context, t *transfer, method string, content []byte) (*http.Response, error) {
	base := &http.Transport{DialContext: c.opts.Dial, TLSClientConfig: c.opts.TLS}
	client := &http.Client{Transport: base}
	if t.username != "" || t.password != "" {
		client.Transport = &digest.Transport{Username: t.username, Password: t.password, Transport: base}
	}
	ask := func() (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, method, t.url, bytes.NewReader(content))
		if err != nil {
			return nil, errors.Join(errors.New("request"), err)
		}
		if c.opts.Quirks.UploadChunked && method != http.MethodGet {
			req.ContentLength = -1
		}
		if client.Transport == http.RoundTripper(base) && t.username != "" {
			req.SetBasicAuth(t.username, t.password)
		}
		return client.Do(req)
	}
	resp, err := ask()
	if err == nil && resp.StatusCode == http.StatusUnauthorized && t.username != "" {
		_ = resp.Body.Close()
		client.Transport = base
		resp, err = ask()
	}
	if err != nil {
		base.CloseIdleConnections()
		return nil, err
	}
	resp.Body = &lastBody{resp.Body, base}
	return resp, nil
}

// lastBody is a body with which its connection is closed.
type lastBody struct {
	io.ReadCloser

	of *http.Transport
}

func (b *lastBody) Close() error {
	err := b.ReadCloser.Close()
	b.of.CloseIdleConnections()
	return err
}
