// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
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
		t := time.NewTimer(testTime)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		c.mu.Lock()
		root := c.root
		state := "Complete"
		if h := root.find(object + "Host"); h != nil && h.value == "" {
			state = "Error_CannotResolveHostName"
		}
		results := [][2]string{
			{"FailureCount", "0"},
			{"AverageResponseTime", "14"},
			{"MinimumResponseTime", "9"},
			{"MaximumResponseTime", "31"},
		}
		if n := root.find(object + "NumberOfRepetitions"); n != nil {
			results = append(results, [2]string{"SuccessCount", n.value})
		}
		for _, r := range append(results, [2]string{"DiagnosticsState", state}) {
			if root.find(object+r[0]) != nil {
				root = root.put(object+r[0], r[1], cwmp.TypeString, false)
			}
		}
		c.root = root
		c.mu.Unlock()
		c.client.Raise(cwmp.Event{Code: cwmp.EventDiagnosticsComplete})
	}
}
