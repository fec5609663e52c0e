// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package soap is the wire codec of CWMP: SOAP 1.1 envelopes in, package
// cwmp's messages out, and back. It is tolerant on input, as the field demands
// (prefixes, order, counts, white space, character sets), exact on output, and
// bounded: every limit is in Limits.
package soap
