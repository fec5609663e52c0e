// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package coap is the CoAP binding of USP (TR-369, obsolete since USP 1.3,
// R-COAP.*) over UDP and DTLS, in server and client role.
package coap
