// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package listen is how the stream servers of this project accept connections:
// it bounds how many are open, in all and per address, and finds out who is
// behind a proxy that is trusted, by the PROXY protocol, versions 1 and 2.
//
// What it must not know: what is spoken on the connections. The library
// go-proxyproto parses headers here and nowhere else; how many bytes a header
// has is found out by header.go, so that nothing is read ahead and kept.
package listen
