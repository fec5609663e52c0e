// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/uspgate/uspgate/usp"

// action is what a Controller wants to do with an element of the data model,
// as the permissions of a role tell them apart [R-SEC.1].
type action uint8

const (
	actRead action = iota
	actWrite
	actAdd
	actDelete
	actOperate
	actNotify
)

// authorise says whether a Controller may do something with a path. There is
// one role so far: who is admitted may do everything (see admit), so this is
// the seam where roles are decided, and asked for each path before anything is
// done. The lock is held.
func (a *Agent) authorise(c usp.EndpointID, _ action, p string) *usp.Error {
	if a.controllerRow(c) != "" {
		return nil
	}
	return &usp.Error{Code: usp.CodePermissionDenied, Path: p, Text: "permission denied"}
}
