// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

// DecodePieces is DecodeStream with pieces of another size.
var DecodePieces = decodeStream
