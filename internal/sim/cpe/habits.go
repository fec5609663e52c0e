// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// What the switches of Quirks mean in figures.
const (
	fewNames     = 8   // quirk 53
	hugeRows     = 100 // quirk 52, rows and parameters in each
	shortURL     = 128 // quirk 71, bytes
	factoryLogin = "factory"
	ghost        = "X_SIM_Ghost"
	countEvery   = 250 * time.Millisecond // quirk 76
	lateBy       = time.Second            // quirk 77
)

// transport puts the wire of the quirks around the connection to the ACS.
func (c *CPE) transport(base http.RoundTripper) http.RoundTripper {
	if c.opts.Quirks == (Quirks{}) {
		return base
	}
	c.wire = &wire{c: c, q: &c.opts.Quirks, base: base}
	return c.wire
}

// tree changes the factory tree.
func (q *Quirks) tree(root *node, top string) *node {
	info := top + "DeviceInfo."
	put := func(path, v string) { root = root.put(path, v, cwmp.TypeString, false) }
	if q.SameSerial {
		put(info+"SerialNumber", "000000")
	}
	if q.OddIdentity {
		put(info+"Manufacturer", "")
		put(info+"ProductClass", "")
		put(info+"ManufacturerOUI", strings.ToLower(root.find(info+"ManufacturerOUI").value))
		put(info+"SerialNumber", "A /²"+root.find(info+"SerialNumber").value)
	}
	if q.FreeTextIdentity {
		put(info+"ManufacturerOUI", "012345678901234567890123")
		put(info+"ProductClass", "Set-top box (Android), all of our models & more: 4K/8K")
	}
	if q.MisspeltNames {
		root = root.put(top+"X_GponInterafceConfig.Status", "Disconneting", cwmp.TypeString, false)
		root = root.put(info+"MinimumResponseTmie", "3", cwmp.TypeUnsignedInt, true)
	}
	if q.VendorObjects {
		root = root.put(top+"OperatorProfile.AC.Level", "7", cwmp.TypeUnsignedInt, true)
	}
	if q.HugeTree {
		root = root.edit(strings.TrimSuffix(top, "."), func(n *node) *node {
			n.kids = append(n.kids[:len(n.kids):len(n.kids)], hugeTable())
			return n
		})
	}
	return root
}

func hugeTable() *node {
	table := &node{name: "X_SIM_Huge", object: true, last: hugeRows}
	for i := range hugeRows {
		row := &node{name: strconv.Itoa(i + 1), object: true}
		for j := range hugeRows {
			name, value := "Value"+strconv.Itoa(j+1), strconv.Itoa(i*hugeRows+j)
			row.kids = append(row.kids, newParam(name, value, cwmp.TypeUnsignedInt, true))
		}
		table.kids = append(table.kids, row)
	}
	return table
}

// bootQuirks is what is odd at a boot. The caller has the lock.
func (c *CPE) bootQuirks() {
	q := &c.opts.Quirks
	c.boots++
	if q.RenumbersRows && c.boots > 1 {
		c.root = c.root.renumber()
	}
	if q.ShiftingNames {
		path := func(n int) string { return c.model.Root() + "DeviceInfo.X_SIM_Boot" + strconv.Itoa(n) }
		if c.root.find(path(c.boots-1)) != nil {
			c.root = c.root.edit(path(c.boots-1), func(*node) *node { return nil })
		}
		c.root = c.root.put(path(c.boots), strconv.Itoa(c.boots), cwmp.TypeString, false)
	}
	if q.UnknownMethods {
		c.client.Defer(&cwmp.Unknown{Name: "X_00D09E_Hello"})
	}
	if q.CountersChange {
		c.spawn(c.count)
	}
}

// renumber returns a copy of n in which the rows that the ACS may delete, and
// that have no objects below them, have other numbers.
func (n *node) renumber() *node {
	cp := *n
	cp.kids = make([]*node, len(n.kids))
	most := cp.last
	for i, k := range n.kids {
		cp.kids[i] = k.renumber()
		if number, ok := instance(k.name); ok && k.object && k.writable && !hasObjects(k) {
			number += n.last
			cp.kids[i].name = strconv.FormatUint(uint64(number), 10)
			most = max(most, number)
		}
	}
	cp.last = most
	return &cp
}

func hasObjects(n *node) bool {
	return slices.ContainsFunc(n.kids, func(k *node) bool { return k.object })
}

// count counts what the ACS wants to be told of.
func (c *CPE) count(ctx context.Context) {
	for sleep(ctx, countEvery) {
		c.mu.Lock()
		root := c.root
		c.mu.Unlock()
		root.walk("", func(path string, n *node) {
			if n.object || !n.counter || n.notify == 0 {
				return
			}
			if was, err := strconv.ParseUint(n.value, 10, 31); err == nil {
				_ = c.SetValue(path, strconv.FormatUint(was+1, 10)) // it was there a moment ago
			}
		})
	}
}

// called is told of every Connection Request.
func (c *CPE) called() {
	raise := func() { c.client.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest}) }
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	switch {
	case c.opts.Quirks.NoSessionOnce && c.calls == 1:
	case c.opts.Quirks.LateSession:
		c.spawn(func(ctx context.Context) {
			if sleep(ctx, lateBy) {
				raise()
			}
		})
	default:
		raise()
	}
}

// listener changes the server for Connection Requests.
func (q *Quirks) listener(o *cpe.ListenerOptions) {
	if q.PrivateURL {
		o.Host = "192.168.1.254"
	}
	if q.ConnReqNoQOP {
		o.Realm = "TR069 Client of the home"
	}
	if q.ConnReqNoQOP || q.ConnReqCloses {
		o.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&challenger{ResponseWriter: w, q: q}, r)
			})
		}
	}
}

// challenger changes the 401 of the listener.
type challenger struct {
	http.ResponseWriter

	q *Quirks
}

// WriteHeader changes a challenge and closes, as the quirks say.
func (w *challenger) WriteHeader(status int) {
	h := w.Header()
	if chal := h.Get("WWW-Authenticate"); w.q.ConnReqNoQOP && chal != "" {
		chal = strings.NewReplacer(`, qop="auth"`, "", `qop="auth", `, "", ", qop=auth", "").Replace(chal)
		h.Set("WWW-Authenticate", chal+`, domain="/"`)
	}
	hijacker, ok := w.ResponseWriter.(http.Hijacker)
	if !ok || status != http.StatusUnauthorized || !w.q.ConnReqCloses {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	conn, buf, err := hijacker.Hijack()
	if err != nil {
		return
	}
	_, _ = buf.WriteString("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: " +
		h.Get("WWW-Authenticate") + "\r\n\r\n")
	_ = buf.Flush()
	_ = conn.Close()
}

// refusesNames is the fault for a GetParameterNames that the CPE does not take.
func (c *CPE) refusesNames(m *cwmp.GetParameterNames) int {
	q := &c.opts.Quirks
	switch {
	case q.NoRootNames && m.Path == "":
		return cwmp.FaultInvalidParameterName
	case c.wire != nil && (q.NextLevelWords && !c.wire.words || q.NextLevelDigits && c.wire.words):
		return cwmp.FaultInvalidArguments
	default:
		return 0
	}
}

// check is the fault code for setting n to p, 0 for none. A CPE that knows no
// types looks at none.
func (q *Quirks) check(n *node, p cwmp.ParameterValue) int {
	if q.NoValueType {
		p.Type = cwmp.TypeUnknown
	}
	if code := check(n, p); code != 0 {
		return code
	}
	digits := p.Value == "0" || p.Value == "1"
	switch {
	case n.typ == cwmp.TypeBoolean && (q.BooleanDigits && !digits || q.BooleanWords && digits):
		return cwmp.FaultInvalidParameterValue
	case n.typ == cwmp.TypeDateTime && q.WholeSeconds && strings.Contains(p.Value, "."):
		return cwmp.FaultInvalidParameterValue
	default:
		return 0
	}
}

func tooManyNames(req cwmp.Request) bool {
	m, ok := req.(*cwmp.GetParameterValues)
	return ok && len(m.Names) > fewNames
}

func reboots(req cwmp.Request) bool {
	switch req.(type) {
	case *cwmp.Reboot, *cwmp.FactoryReset:
		return true
	default:
		return false
	}
}

// refusesDownload is the fault for what the CPE cannot download.
func (q *Quirks) refusesDownload(m *cwmp.Download) int {
	u, err := url.Parse(m.URL)
	switch {
	case err != nil:
		return cwmp.FaultInvalidArguments
	case q.DownloadNoTLS && u.Scheme == "https":
		return cwmp.FaultUnsupportedProtocol
	case q.DownloadNoPort && u.Port() != "",
		q.DownloadShortURL && len(m.URL) > shortURL,
		q.DownloadExtension && !strings.HasSuffix(m.URL, ".bin"),
		q.DownloadSize && m.FileSize == 0,
		q.DownloadTarget && m.TargetFileName == "":
		return cwmp.FaultInvalidArguments
	default:
		return 0
	}
}

// transferComplete changes a TransferComplete; nil means that it is not sent.
func (q *Quirks) transferComplete(m *cwmp.TransferComplete, events *[]cwmp.Event) *cwmp.TransferComplete {
	said := *m
	switch {
	case q.NoTransferComplete:
		return nil
	case q.NoCommandKey:
		said.CommandKey = ""
		*events = (*events)[:1]
	case q.WrongCommandKey:
		said.CommandKey = "12345"
	}
	return &said
}
