// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

type shared struct{}

func (*shared) init(*Node)                  {}
func (*shared) end()                        {}
func (*shared) handle([]byte, func([]byte)) {}

type remoteSessions struct{}

func (*remoteSessions) init(*Node)                  {}
func (*remoteSessions) end(error)                   {}
func (*remoteSessions) handle([]byte, func([]byte)) {}
