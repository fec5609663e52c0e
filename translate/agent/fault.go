// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"slices"
	"strconv"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// cpeError turns what Device.Call returned into the error for the Controller.
// Path is what it is about, and may be empty. The CWMP code and text stay in
// the text.
func cpeError(err error, path string) *usp.Error {
	var fault *cwmp.Fault
	switch {
	case errors.As(err, &fault):
		return &usp.Error{Code: faultCode(fault.Code), Path: path, Text: faultText(fault.Code, fault.Text)}
	case errors.Is(err, device.ErrOutcomeUnknown):
		return outcomeUnknown(path, "the session with the CPE broke while it was being done")
	case errors.Is(err, device.ErrBusy):
		return &usp.Error{Code: usp.CodeResourcesExceeded, Path: path, Text: "too many RPCs wait for the CPE"}
	default:
		return unreachable(path)
	}
}

// unreachable is the error of what was not sent within the deadline.
func unreachable(path string) *usp.Error {
	return &usp.Error{Code: usp.CodeInternalError, Path: path, Text: "CPE unreachable, nothing was sent"}
}

// outcomeUnknown is the error of what may have been done: the only one that is
// ever answered to a write that may have changed the CPE.
func outcomeUnknown(path, why string) *usp.Error {
	return &usp.Error{Code: usp.CodeOutcomeUnknown, Path: path, Text: why}
}

// faultCode is the table of CWMP fault codes [TR-069 A.5.1].
func faultCode(code int) usp.Code {
	switch code {
	case cwmp.FaultMethodNotSupported:
		return usp.CodeMessageNotSupported
	case cwmp.FaultRequestDenied, cwmp.FaultNotificationRejected, cwmp.FaultCancelNotPermitted:
		return usp.CodeRequestDenied
	case cwmp.FaultInternalError:
		return usp.CodeInternalError
	case cwmp.FaultInvalidArguments:
		return usp.CodeInvalidArguments
	case cwmp.FaultResourcesExceeded:
		return usp.CodeResourcesExceeded
	case cwmp.FaultInvalidParameterName:
		return usp.CodeInvalidPath
	case cwmp.FaultInvalidParameterType:
		return usp.CodeInvalidType
	case cwmp.FaultInvalidParameterValue:
		return usp.CodeInvalidValue
	case cwmp.FaultNonWritable:
		return usp.CodeNonWriteable
	}
	switch {
	case code >= cwmp.FaultDownloadFailure && code <= 9032:
		return usp.CodeCommandFailure
	case code >= 9800 && code <= 9899: // of the vendor
		return usp.CodeRequestDenied
	default:
		return usp.CodeInternalError
	}
}

// paramCode is faultCode for one parameter of a Set or Add, in the codes that
// these may answer.
func paramCode(code int) usp.Code {
	switch c := faultCode(code); c {
	case usp.CodeInvalidPath:
		return usp.CodeUnsupportedParameter
	case usp.CodeMessageNotSupported, usp.CodeCommandFailure:
		return usp.CodeParameterActionFailed
	default:
		return c
	}
}

func faultText(code int, text string) string {
	s := "CWMP fault " + strconv.Itoa(code)
	if text != "" {
		s += ": " + text
	}
	return s
}

// uspError returns err as the protocol error it is.
func uspError(err error) *usp.Error {
	var e *usp.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	default:
		return &usp.Error{Code: usp.CodeInternalError, Text: "internal error"}
	}
}

// isFault reports whether err is a CWMP fault with one of the codes; without
// codes, whether it is one at all.
func isFault(err error, codes ...int) bool {
	var fault *cwmp.Fault
	if !errors.As(err, &fault) {
		return false
	}
	return len(codes) == 0 || slices.Contains(codes, fault.Code)
}
