// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// CancelTransfer drops a transfer that has not begun [TR-069 A.4.1.9].
type CancelTransfer struct{ CommandKey string }

// Method returns "CancelTransfer".
func (*CancelTransfer) Method() string { return "CancelTransfer" }
func (*CancelTransfer) isRequest()     {}

// CancelTransferResponse answers it.
type CancelTransferResponse struct{}

// Method returns "CancelTransferResponse".
func (*CancelTransferResponse) Method() string { return "CancelTransferResponse" }
func (*CancelTransferResponse) isResponse()    {}
