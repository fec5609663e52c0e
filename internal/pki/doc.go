// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package pki holds the certificates of the gateway: those it shows to peers,
// those it trusts, and the ones it makes for Virtual Agents.
//
// A Source is one set of files (certificate, key, CA, CRL) that is read again
// when one of them changes, all or nothing. The tls.Configs that it gives out
// look at its present state in every handshake, resumed ones included, so what
// is up stays up and what comes next meets the new files. TLS is 1.2 or newer
// everywhere [R-MTP.0].
//
// Credentials are the three ways in which the certificate of a Link names the
// Agent that speaks over it [R-SEC.0a]: one Trusted Broker's for all, one
// wildcard per manufacturer [R-SEC.12], or one per Agent, made by an Issuer.
//
// Validity dates of peers are always checked [R-MTP.3]: the host of a gateway
// is taken to have the time [R-MTP.2], and an Agent without one is an Agent's
// affair.
//
// The package knows TLS, files and Endpoint IDs; it opens no socket and knows
// no MTP.
package pki
