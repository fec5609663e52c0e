// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import "strconv"

// Code is a USP error code (TR-369, error table).
type Code uint32

// Error codes of Messages.
const (
	CodeMessageFailed         Code = 7000
	CodeMessageNotSupported   Code = 7001
	CodeRequestDenied         Code = 7002
	CodeInternalError         Code = 7003
	CodeInvalidArguments      Code = 7004
	CodeResourcesExceeded     Code = 7005
	CodePermissionDenied      Code = 7006
	CodeInvalidConfiguration  Code = 7007
	CodeInvalidPathSyntax     Code = 7008
	CodeParameterActionFailed Code = 7009
	CodeUnsupportedParameter  Code = 7010
	CodeInvalidType           Code = 7011
	CodeInvalidValue          Code = 7012
	CodeNonWriteable          Code = 7013
	CodeValueConflict         Code = 7014
	CodeOperationError        Code = 7015
	CodeObjectDoesNotExist    Code = 7016
	CodeObjectNotCreated      Code = 7017
	CodeNotATable             Code = 7018
	CodeNonCreatable          Code = 7019
	CodeObjectNotUpdated      Code = 7020
	CodeRequiredParameter     Code = 7021
	CodeCommandFailure        Code = 7022
	CodeCommandCanceled       Code = 7023
	CodeDeleteFailure         Code = 7024
	CodeDuplicateUniqueKey    Code = 7025
	CodeInvalidPath           Code = 7026
	CodeInvalidCommandArgs    Code = 7027
	CodeRegisterFailure       Code = 7028
	CodeAlreadyInUse          Code = 7029
	CodeDeregisterFailure     Code = 7030
	CodePathAlreadyRegistered Code = 7031
)

// Error codes of Records.
const (
	CodeRecordNotParsed           Code = 7100
	CodeSecureSessionRequired     Code = 7101
	CodeSecureSessionNotSupported Code = 7102
	CodeSARNotSupported           Code = 7103
	CodeInvalidRecordValue        Code = 7104
	CodeSessionContextTerminated  Code = 7105
	CodeSessionContextNotAllowed  Code = 7106
)

// CodeOutcomeUnknown is ours, from the vendor range: the CWMP RPC was on the
// wire when the session broke, so a write may or may not have been applied.
// No other code is ever answered to a write that may still happen.
const CodeOutcomeUnknown Code = 7800

// Error is a protocol error: data for the peer, not a failure of ours. Path is
// the parameter or object it is about, where there is one.
type Error struct {
	Code Code
	Path string
	Text string
}

// Error returns the code, the text and the path.
func (e *Error) Error() string {
	s := strconv.FormatUint(uint64(e.Code), 10) + " " + e.Text
	if e.Path != "" {
		s += " (" + e.Path + ")"
	}
	return s
}
