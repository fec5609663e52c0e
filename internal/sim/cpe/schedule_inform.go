// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"slices"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// maxScheduled bounds the Informs that the ACS has asked for.
const maxScheduled = 16

// scheduled is one ScheduleInform that is not due yet.
type scheduled struct {
	at  time.Time
	key string
}

// scheduleInform answers; 3 SCHEDULED comes after the delay [TR-069 A.4.1.3].
func (c *CPE) scheduleInform(m *cwmp.ScheduleInform) cwmp.Response {
	if m.DelaySeconds == 0 || len(m.CommandKey) > maxParameterKey {
		return fault(cwmp.FaultInvalidArguments)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.scheduled)+len(c.todo.informs) >= maxScheduled {
		return fault(cwmp.FaultResourcesExceeded)
	}
	c.todo.informs = append(c.todo.informs, scheduled{time.Now().Add(delay(m.DelaySeconds)), m.CommandKey})
	return &cwmp.ScheduleInformResponse{}
}

// schedule keeps s, across reboots. The caller has the lock.
func (c *CPE) schedule(s scheduled) {
	c.scheduled = append(c.scheduled, s)
	c.spawn(func(ctx context.Context) { c.due(ctx, s) })
}

func (c *CPE) due(ctx context.Context, s scheduled) {
	if !sleep(ctx, time.Until(s.at)) {
		return
	}
	c.mu.Lock()
	i := slices.Index(c.scheduled, s)
	if i >= 0 {
		c.scheduled = slices.Delete(c.scheduled, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 {
		c.client.Raise(cwmp.Event{Code: cwmp.EventScheduled}, cwmp.Event{Code: cwmp.EventMScheduleInform, CommandKey: s.key})
	}
}
