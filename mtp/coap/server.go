// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"

	"github.com/uspgate/uspgate/mtp"
)

// Server is the server role: an mtp.Transport on one UDP socket, whose Links
// are the Endpoints that have sent a Record to it.
type Server struct {
	opts ServerOptions
	node *node
}

// NewServer checks o and allocates; Listen binds, Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Server{opts: o}
	n, err := newNode(&s.opts.LinkOptions, o.TLS)
	if err != nil {
		return nil, err
	}
	s.node = n
	return s, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(ctx context.Context) error { return s.node.listen(ctx, s.opts.Listen) }

// Addr implements mtp.Transport.
func (s *Server) Addr() string { return s.node.addr(s.opts.Listen) }

// Run implements mtp.Transport. It calls Listen if nobody has. When ctx ends it
// takes nothing more and closes every Link with mtp.ErrDraining, which takes at
// most CloseTimeout.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
