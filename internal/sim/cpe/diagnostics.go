// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// testTime is how long a diagnostic takes.
const testTime = 100 * time.Millisecond

// diagnose remembers the diagnostics that a SetParameterValues started; they
// run after the session. The caller has the lock.
func (c *CPE) diagnose(params []cwmp.ParameterValue) {
	for _, p := range params {
		if object, ok := strings.CutSuffix(p.Name, "DiagnosticsState"); ok && p.Value == "Requested" {
			c.todo.tests = append(c.todo.tests, object)
		}
	}
}

// test runs a diagnostic: results are made up, and 8 DIAGNOSTICS COMPLETE
// follows [TR-069 3.7.1.5].
func (c *CPE) test(object string) func(context.Context) {
	return func(ctx context.Context) {
		start := time.Now()
		if !sleep(ctx, testTime) {
			return
		}
		c.mu.Lock()
		if c.root.find(object) != nil {
			c.root = c.tested(c.root, object, start)
		}
		c.mu.Unlock()
		if !c.opts.Quirks.TestMute {
			c.client.Raise(cwmp.Event{Code: cwmp.EventDiagnosticsComplete})
		}
	}
}

// tested puts the results of the diagnostic object in the tree.
func (c *CPE) tested(root *node, object string, start time.Time) *node {
	get := func(name string) string { return c.text(root, object+name) }
	state := testError(root, object, get)
	if state == "" {
		state = c.testDone(object)
		for _, r := range testResults(get, start) {
			if root.find(object+r[0]) != nil {
				root = root.put(object+r[0], r[1], cwmp.TypeString, false)
			}
		}
		root = testRows(root, object, get)
	}
	if c.opts.Quirks.TestStaysRequested {
		return root
	}
	return root.put(object+"DiagnosticsState", state, cwmp.TypeString, true)
}

// testDone is the word for success, of which there are two [quirk 74].
func (c *CPE) testDone(object string) string {
	completed := strings.HasSuffix(object, "loadDiagnostics.") || strings.HasSuffix(object, "UDPEchoDiagnostics.")
	if completed != c.opts.Quirks.TestCompleted {
		return "Completed"
	}
	return "Complete"
}

// testError is the state of a diagnostic that cannot be done; names that end in
// .invalid do not resolve [RFC 2606].
func testError(root *node, object string, get func(string) string) string {
	for _, name := range [...]string{"Host", "HostName"} {
		if v := get(name); root.find(object+name) != nil && (v == "" || strings.HasSuffix(v, ".invalid")) {
			if name == "HostName" {
				return "Error_HostNameNotResolved"
			}
			return "Error_CannotResolveHostName"
		}
	}
	for _, name := range [...]string{"DownloadURL", "UploadURL"} {
		if root.find(object+name) == nil {
			continue
		}
		if u, err := url.Parse(get(name)); err != nil || u.Host == "" || strings.HasSuffix(u.Hostname(), ".invalid") {
			return "Error_InitConnectionFailed"
		}
	}
	return ""
}

// testResults are the results that a diagnostic may have.
func testResults(get func(string) string, start time.Time) [][2]string {
	at := func(d time.Duration) string { return start.Add(d).UTC().Format("2006-01-02T15:04:05.000000Z") }
	repetitions, length := get("NumberOfRepetitions"), get("TestFileLength")
	return [][2]string{
		{"SuccessCount", repetitions},
		{"FailureCount", "0"},
		{"AverageResponseTime", "14"},
		{"MinimumResponseTime", "9"},
		{"MaximumResponseTime", "31"},
		{"IPAddressUsed", "192.0.2.7"},
		{"ResponseTime", "23"},
		{"TCPOpenRequestTime", at(0)},
		{"TCPOpenResponseTime", at(9 * time.Millisecond)},
		{"ROMTime", at(10 * time.Millisecond)},
		{"BOMTime", at(20 * time.Millisecond)},
		{"EOMTime", at(testTime)},
		{"TestBytesReceived", "1048576"},
		{"TotalBytesReceived", "1049000"},
		{"TotalBytesSent", length},
	}
}

// testRows makes the rows of results: the hops of a route, the answers of a
// name server.
func testRows(root *node, object string, get func(string) string) *node {
	put := func(path, v string, t cwmp.Type) { root = root.put(object+path, v, t, false) }
	if root.find(object+"RouteHops.") != nil {
		tr098 := strings.HasPrefix(object, rootTR098)
		host, address, failed, times := "Host", "HostAddress", "ErrorCode", "RTTimes"
		if tr098 {
			host, address, failed, times = "HopHost", "HopHostAddress", "HopErrorCode", "HopRTTimes"
		}
		for i, name := range []string{"gw.example.net", get("Host")} {
			row := "RouteHops." + strconv.Itoa(i+1) + "."
			put(row+host, name, cwmp.TypeString)
			put(row+address, "192.0.2."+strconv.Itoa(i+1), cwmp.TypeString)
			put(row+failed, "0", cwmp.TypeUnsignedInt)
			put(row+times, "4,5,4", cwmp.TypeString)
		}
		put("RouteHopsNumberOfEntries", "2", cwmp.TypeUnsignedInt)
	}
	if root.find(object+"Result.") != nil {
		put("Result.1.Status", "Success", cwmp.TypeString)
		put("Result.1.AnswerType", "Authoritative", cwmp.TypeString)
		put("Result.1.HostNameReturned", get("HostName"), cwmp.TypeString)
		put("Result.1.IPAddresses", "192.0.2.7", cwmp.TypeString)
		put("Result.1.DNSServerIP", "192.0.2.53", cwmp.TypeString)
		put("Result.1.ResponseTime", "7", cwmp.TypeUnsignedInt)
		put("ResultNumberOfEntries", "1", cwmp.TypeUnsignedInt)
	}
	return root
}
