// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import "strconv"

// String returns the name of the code in the error table of TR-369, such as
// "Invalid path syntax"; for a code without one its range and number.
func (c Code) String() string {
	if name := c.messageName(); name != "" {
		return name
	}
	if name := c.recordName(); name != "" {
		return name
	}
	n := strconv.FormatUint(uint64(c), 10)
	switch {
	case c >= 7200 && c <= 7299:
		return "Data-model error " + n
	case c >= 7800 && c <= 7999:
		return "Vendor error " + n
	default:
		return "Error " + n
	}
}

func (c Code) messageName() string {
	switch c {
	case CodeMessageFailed:
		return "Message failed"
	case CodeMessageNotSupported:
		return "Message not supported"
	case CodeRequestDenied:
		return "Request denied"
	case CodeInternalError:
		return "Internal error"
	case CodeInvalidArguments:
		return "Invalid arguments"
	case CodeResourcesExceeded:
		return "Resources exceeded"
	case CodePermissionDenied:
		return "Permission denied"
	case CodeInvalidConfiguration:
		return "Invalid configuration"
	case CodeInvalidPathSyntax:
		return "Invalid path syntax"
	case CodeParameterActionFailed:
		return "Parameter action failed"
	case CodeUnsupportedParameter:
		return "Unsupported parameter"
	case CodeInvalidType:
		return "Invalid type"
	case CodeInvalidValue:
		return "Invalid value"
	case CodeNonWriteable:
		return "Update of a non-writeable parameter"
	case CodeValueConflict:
		return "Value conflict"
	case CodeOperationError:
		return "Operation error"
	default:
		return c.objectName()
	}
}

func (c Code) objectName() string {
	switch c {
	case CodeObjectDoesNotExist:
		return "Object does not exist"
	case CodeObjectNotCreated:
		return "Object could not be created"
	case CodeNotATable:
		return "Object is not a table"
	case CodeNonCreatable:
		return "Non-creatable object"
	case CodeObjectNotUpdated:
		return "Object could not be updated"
	case CodeRequiredParameter:
		return "Required parameter failed"
	case CodeCommandFailure:
		return "Command failure"
	case CodeCommandCanceled:
		return "Command canceled"
	case CodeDeleteFailure:
		return "Delete failure"
	case CodeDuplicateUniqueKey:
		return "Duplicate unique key"
	case CodeInvalidPath:
		return "Invalid path"
	case CodeInvalidCommandArgs:
		return "Invalid command arguments"
	case CodeRegisterFailure:
		return "Register failure"
	case CodeAlreadyInUse:
		return "Already in use"
	case CodeDeregisterFailure:
		return "Deregister failure"
	case CodePathAlreadyRegistered:
		return "Path already registered"
	case CodeOutcomeUnknown:
		return "Outcome unknown"
	default:
		return ""
	}
}

func (c Code) recordName() string {
	switch c {
	case CodeRecordNotParsed:
		return "Record could not be parsed"
	case CodeSecureSessionRequired:
		return "Secure session required"
	case CodeSecureSessionNotSupported:
		return "Secure session not supported"
	case CodeSARNotSupported:
		return "Segmentation and reassembly not supported"
	case CodeInvalidRecordValue:
		return "Invalid Record value"
	case CodeSessionContextTerminated:
		return "Session Context terminated"
	case CodeSessionContextNotAllowed:
		return "Session Context not allowed"
	default:
		return ""
	}
}
