// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e is the end-to-end Message exchange of USP [TR-369, End to End
// Message Exchange]: the Session Context of a pair of Endpoints with its
// segmentation, and the signatures of Records.
//
// It is a pure engine: no sockets, no goroutines, no clock. The time is passed in;
// what is to be sent is returned. Secure Message Exchange, TLS inside the payload,
// is not part of it.
package e2e
