// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"

	"github.com/uspgate/uspgate/mtp"
)

// Client is the client role: an mtp.Transport that keeps one connection.
type Client struct{ opts ClientOptions }

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	return &Client{opts: o}, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (c *Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.opts.URL }

// Run implements mtp.Transport.
func (c *Client) Run(ctx context.Context, _ mtp.Handler) error {
	<-ctx.Done()
	return nil
}
