// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package stun is the messages of STUN as CPE use them [TR-069 Annex G]: those of
// RFC 3489, whose transaction IDs are 128 random bits, and those of RFC 5389,
// whose begin with the magic cookie. It knows no sockets.
//
// It is our own because libraries follow RFC 5389 and its successors: pion/stun
// refuses a message without the magic cookie, which is what Annex G asks of CPE,
// and makes no MESSAGE-INTEGRITY with the padding of RFC 3489 11.2.8.
package stun
