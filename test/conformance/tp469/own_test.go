// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

// own are cases that the plan has not: it tests Agents only, and neither Unix domain
// sockets nor Register.
//
//nolint:gochecknoglobals // a constant table
var own = []entry{}
