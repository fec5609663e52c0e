// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

type remoteSessions struct{}

func (*remoteSessions) init(*Node)                  {}
func (*remoteSessions) end(error)                   {}
func (*remoteSessions) handle([]byte, func([]byte)) {}
