// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package trace prints USP Records and Messages in one stable text form, for
// logs, golden files, the admin pages and the trace command. Values that a log
// must not hold are masked. The form is for people; nothing parses it.
package trace

import "github.com/uspgate/uspgate/usp/uspmsg"

// Record prints a Record and the Message in it.
func Record(rec []byte) string { return "" }

// Msg prints a Message.
func Msg(m *uspmsg.Msg) string { return "" }
