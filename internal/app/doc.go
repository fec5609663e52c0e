// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package app wires a gateway together from a configuration: plain calls of
// constructors, no framework. It is the only package that knows every concrete
// carrier.
package app
