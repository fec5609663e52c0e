// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import "context"

// Client sends Connection Requests. Safe for concurrent use.
type Client struct {
	opts Options
}

// New returns a Client.
func New(o Options) *Client { return &Client{opts: o} }

// Wake asks the CPE to open a session. Success means that the CPE has taken the
// request, not that the session will come [quirk 77].
func (c *Client) Wake(ctx context.Context, _ Target) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrUnreachable
}
