// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

import "strconv"

// Fault is a CWMP fault [TR-069 A.5]: data from or for the peer. It is a
// Response and an error.
type Fault struct { //nolint:errname // the word of the specification
	Code int
	Text string
	// Params has one entry per bad parameter of a SetParameterValues.
	Params []ParameterFault
}

// ParameterFault is a SetParameterValuesFault.
type ParameterFault struct {
	Name string
	Code int
	Text string
}

// Method returns "Fault".
func (*Fault) Method() string { return "Fault" }
func (*Fault) isResponse()    {}

// Error returns code and text.
func (f *Fault) Error() string {
	s := "cwmp fault " + strconv.Itoa(f.Code) + " " + f.Text
	if len(f.Params) > 0 {
		s += " (" + f.Params[0].Name + ": " + strconv.Itoa(f.Params[0].Code) + ")"
	}
	return s
}

// Fault codes of the ACS.
const (
	FaultACSMethodNotSupported = 8000
	FaultACSRequestDenied      = 8001
	FaultACSInternalError      = 8002
	FaultACSInvalidArguments   = 8003
	FaultACSResourcesExceeded  = 8004
	FaultACSRetryRequest       = 8005
	FaultACSVersion            = 8006
)

// Fault codes of the CPE.
const (
	FaultMethodNotSupported    = 9000
	FaultRequestDenied         = 9001
	FaultInternalError         = 9002
	FaultInvalidArguments      = 9003
	FaultResourcesExceeded     = 9004
	FaultInvalidParameterName  = 9005
	FaultInvalidParameterType  = 9006
	FaultInvalidParameterValue = 9007
	FaultNonWritable           = 9008
	FaultNotificationRejected  = 9009
	FaultDownloadFailure       = 9010
	FaultUploadFailure         = 9011
	FaultFileServerAuth        = 9012
	FaultUnsupportedProtocol   = 9013
	FaultMulticastGroup        = 9014
	FaultContactFileServer     = 9015
	FaultAccessFile            = 9016
	FaultCompleteDownload      = 9017
	FaultCorruptedFile         = 9018
	FaultFileAuthentication    = 9019
	FaultTimeWindow            = 9020
	FaultCancelNotPermitted    = 9021
	FaultInvalidUUID           = 9022
	FaultUnknownEnvironment    = 9023
	FaultDisabledEnvironment   = 9024
	FaultEnvironmentMismatch   = 9025
	FaultDuplicateDU           = 9026
	FaultSystemResources       = 9027
	FaultUnknownDU             = 9028
	FaultInvalidDUState        = 9029
	FaultDowngrade             = 9030
	FaultUpdateVersion         = 9031
	FaultVersionExists         = 9032
)

// SOAPCode returns the SOAP faultcode that goes with a CWMP fault code,
// "Client" or "Server" [TR-069 A.5.1].
func SOAPCode(code int) string {
	switch code {
	case 8003, 9003, 9005, 9006, 9007, 9008, 9022, 9023, 9025, 9026, 9028, 9029, 9030, 9031, 9032:
		return "Client"
	default:
		return "Server"
	}
}
