// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// ChangeDUState installs, updates and uninstalls software modules
// [TR-069 A.4.1.10].
type ChangeDUState struct {
	Operations []DUOperation
	CommandKey string
}

// Method returns "ChangeDUState".
func (*ChangeDUState) Method() string { return "ChangeDUState" }
func (*ChangeDUState) isRequest()     {}

// The words of DUOperation.Kind and DUResult.OperationPerformed.
const (
	DUInstall   = "Install"
	DUUpdate    = "Update"
	DUUninstall = "Uninstall"
)

// DUOperation is an InstallOpStruct, UpdateOpStruct or UninstallOpStruct; Kind
// says which. Kind is empty where the peer did not say. An Install has all
// fields but Version, an Update all but ExecutionEnvRef, an Uninstall has UUID,
// Version and ExecutionEnvRef; other fields are not written. What is empty is
// absent on the wire, but for the URL of an Install and the UUID of an
// Uninstall.
type DUOperation struct {
	Kind            string
	URL             string
	UUID            string
	Username        string
	Password        string
	ExecutionEnvRef string
	Version         string
}

// ChangeDUStateResponse answers it; a DUStateChangeComplete follows.
type ChangeDUStateResponse struct{}

// Method returns "ChangeDUStateResponse".
func (*ChangeDUStateResponse) Method() string { return "ChangeDUStateResponse" }
func (*ChangeDUStateResponse) isResponse()    {}

// DUStateChangeComplete reports the outcome of a ChangeDUState, one result for
// each operation [TR-069 A.4.2.3].
type DUStateChangeComplete struct {
	Results    []DUResult
	CommandKey string
}

// Method returns "DUStateChangeComplete".
func (*DUStateChangeComplete) Method() string { return "DUStateChangeComplete" }
func (*DUStateChangeComplete) isRequest()     {}

// DUStateChangeCompleteResponse answers it.
type DUStateChangeCompleteResponse struct{}

// Method returns "DUStateChangeCompleteResponse".
func (*DUStateChangeCompleteResponse) Method() string { return "DUStateChangeCompleteResponse" }
func (*DUStateChangeCompleteResponse) isResponse()    {}

// AutonomousDUStateChangeComplete reports changes of software modules that no
// ChangeDUState asked for [TR-069 A.4.2.4].
type AutonomousDUStateChangeComplete struct{ Results []DUResult }

// Method returns "AutonomousDUStateChangeComplete".
func (*AutonomousDUStateChangeComplete) Method() string { return "AutonomousDUStateChangeComplete" }
func (*AutonomousDUStateChangeComplete) isRequest()     {}

// AutonomousDUStateChangeCompleteResponse answers it.
type AutonomousDUStateChangeCompleteResponse struct{}

// Method returns "AutonomousDUStateChangeCompleteResponse".
func (*AutonomousDUStateChangeCompleteResponse) Method() string {
	return "AutonomousDUStateChangeCompleteResponse"
}
func (*AutonomousDUStateChangeCompleteResponse) isResponse() {}

// DUResult is an OpResultStruct, or an AutonOpResultStruct, of which only the
// latter has OperationPerformed. A Fault with Code 0 is success. Times are as
// sent.
type DUResult struct {
	UUID                 string
	DeploymentUnitRef    string
	Version              string
	CurrentState         string // Installed, Uninstalled or Failed
	Resolved             bool
	ExecutionUnitRefList string // paths, comma separated
	StartTime            string
	CompleteTime         string
	Fault                Fault
	OperationPerformed   string
}
