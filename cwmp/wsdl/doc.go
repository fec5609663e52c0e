// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package wsdl holds CWMP as a WSDL of our own writing (cwmp.wsdl, cwmp.xsd)
// and what gowsdl makes of it. It is the second opinion on the wire form: the
// tests of cwmp/soap decode with both and compare. Nothing that runs imports
// it, because encoding/xml refuses much of what CPE send and is slow.
//
// The types carry no namespace, so that one set reads all versions of CWMP,
// and no attribute prefixes, so that they read but do not write CWMP.
package wsdl

//go:generate go run ./gen cwmp.wsdl wsdl cwmp.go
