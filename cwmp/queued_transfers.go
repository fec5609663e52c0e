// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetQueuedTransfers lists the transfers that an ACS has asked for
// [TR-069 A.4.1.1]; GetAllQueuedTransfers replaces it.
type GetQueuedTransfers struct{}

// Method returns "GetQueuedTransfers".
func (*GetQueuedTransfers) Method() string { return "GetQueuedTransfers" }
func (*GetQueuedTransfers) isRequest()     {}

// GetQueuedTransfersResponse answers it.
type GetQueuedTransfersResponse struct{ Transfers []QueuedTransfer }

// Method returns "GetQueuedTransfersResponse".
func (*GetQueuedTransfersResponse) Method() string { return "GetQueuedTransfersResponse" }
func (*GetQueuedTransfersResponse) isResponse()    {}

// GetAllQueuedTransfers lists all transfers, also those that nobody asked for
// [TR-069 A.4.1.7].
type GetAllQueuedTransfers struct{}

// Method returns "GetAllQueuedTransfers".
func (*GetAllQueuedTransfers) Method() string { return "GetAllQueuedTransfers" }
func (*GetAllQueuedTransfers) isRequest()     {}

// GetAllQueuedTransfersResponse answers it.
type GetAllQueuedTransfersResponse struct{ Transfers []QueuedTransfer }

// Method returns "GetAllQueuedTransfersResponse".
func (*GetAllQueuedTransfersResponse) Method() string { return "GetAllQueuedTransfersResponse" }
func (*GetAllQueuedTransfersResponse) isResponse()    {}

// The values of QueuedTransfer.State.
const (
	TransferNotStarted = 1
	TransferInProgress = 2
	TransferCompleted  = 3
)

// QueuedTransfer is a QueuedTransferStruct, or an AllQueuedTransferStruct: all
// but the first two fields are in an answer to GetAllQueuedTransfers only.
type QueuedTransfer struct {
	CommandKey     string
	State          int
	IsDownload     bool
	FileType       string
	FileSize       uint32 // bytes, 0 is unknown
	TargetFileName string
}
