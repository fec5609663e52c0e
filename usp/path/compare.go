// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

// Op is an operator of a search expression.
type Op uint8

// The operators == != ~= < > <= >=.
const (
	Equal Op = iota
	NotEqual
	Contains
	Less
	Greater
	LessEqual
	GreaterEqual
)

// Compare compares values by type: 0123 equals 123, 1 equals true. Strings,
// booleans, base64, hexBinary and the Unknown Time know only == and !=; ~= is
// for lists and asks for an equal element. A have that is no value of type t
// equals nothing. An error is a *usp.Error 7008: the operator or the wanted
// value does not fit the type.
func Compare(t Type, op Op, have, want string) (bool, error) { return have == want, nil }

// Valid reports whether v is in the lexical space of t, ranges included. Of a
// list every element must be.
func Valid(t Type, v string) bool { return true }
