// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"

	"github.com/uspgate/uspgate/mtp"
)

// Client is the client role: an mtp.Transport with one Link to the Endpoints
// at one URL, on a UDP socket of its own that also takes their Records.
type Client struct {
	opts ClientOptions
	node *node
}

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	c := &Client{opts: o}
	n, err := newNode(&c.opts.LinkOptions, o.TLS)
	if err != nil {
		return nil, err
	}
	c.node = n
	return c, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport: it binds the socket that answers come to.
func (c *Client) Listen(ctx context.Context) error { return c.node.listen(ctx, c.opts.Listen) }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.opts.URL }

// Run implements mtp.Transport. When ctx ends it closes the Link with
// mtp.ErrDraining, which takes at most CloseTimeout.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	if err := c.Listen(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
