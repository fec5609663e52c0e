// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import "github.com/uspgate/uspgate/cwmp"

// fault makes the Fault of a CPE with its standard text [TR-069 A.5.1].
func fault(code int, params ...cwmp.ParameterFault) *cwmp.Fault {
	return &cwmp.Fault{Code: code, Text: faultText(code), Params: params}
}

// paramFault is the Fault of one parameter of a SetParameterValues.
func paramFault(name string, code int) cwmp.ParameterFault {
	return cwmp.ParameterFault{Name: name, Code: code, Text: faultText(code)}
}

func faultText(code int) string {
	switch code {
	case cwmp.FaultMethodNotSupported:
		return "Method not supported"
	case cwmp.FaultRequestDenied:
		return "Request denied"
	case cwmp.FaultInvalidArguments:
		return "Invalid arguments"
	case cwmp.FaultResourcesExceeded:
		return "Resources exceeded"
	case cwmp.FaultInvalidParameterName:
		return "Invalid parameter name"
	case cwmp.FaultInvalidParameterType:
		return "Invalid parameter type"
	case cwmp.FaultInvalidParameterValue:
		return "Invalid parameter value"
	case cwmp.FaultNonWritable:
		return "Attempt to set a non-writable parameter"
	case cwmp.FaultNotificationRejected:
		return "Notification request rejected"
	case cwmp.FaultDownloadFailure:
		return "Download failure"
	case cwmp.FaultFileServerAuth:
		return "File transfer server authentication failure"
	case cwmp.FaultUnsupportedProtocol:
		return "Unsupported protocol for file transfer"
	case cwmp.FaultContactFileServer:
		return "Unable to contact file server"
	case cwmp.FaultAccessFile:
		return "Unable to access file"
	case cwmp.FaultCompleteDownload:
		return "Unable to complete download"
	default:
		return "Internal error"
	}
}
