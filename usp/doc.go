// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package usp holds the words of USP (TR-369 1.4): Endpoint IDs, roles,
// Records with their peeked header, and error codes.
//
// It knows no I/O, clocks, logging or configuration. The protobuf types are in
// uspmsg and usprecord, generated from the files in proto.
package usp

//go:generate go run ./proto/protogen ./proto ..
