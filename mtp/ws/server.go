// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"

	"github.com/uspgate/uspgate/mtp"
)

// Server is the server role: an mtp.Transport that accepts connections.
type Server struct{ opts ServerOptions }

// NewServer checks o and allocates; Listen binds.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	return &Server{opts: o}, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (s *Server) Addr() string { return s.opts.Listen }

// Run implements mtp.Transport.
func (s *Server) Run(ctx context.Context, _ mtp.Handler) error {
	<-ctx.Done()
	return nil
}
