// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package admin is the API of the administrator: HTTP and JSON below /api/v1,
// for this host and for whoever has the token of the gateway.
//
// openapi.json describes it, and is served as /api/v1/openapi.json. An answer
// other than 200 is {"error": "a sentence"}. The package asks, and passes on what
// is to be done; it keeps nothing itself.
package admin
