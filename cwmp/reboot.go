// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// Reboot restarts the CPE after the session [TR-069 A.3.2.9].
type Reboot struct{ CommandKey string }

// Method returns "Reboot".
func (*Reboot) Method() string { return "Reboot" }
func (*Reboot) isRequest()     {}

// RebootResponse answers it.
type RebootResponse struct{}

// Method returns "RebootResponse".
func (*RebootResponse) Method() string { return "RebootResponse" }
func (*RebootResponse) isResponse()    {}

// FactoryReset restores the factory state after the session [TR-069 A.4.1.6].
type FactoryReset struct{}

// Method returns "FactoryReset".
func (*FactoryReset) Method() string { return "FactoryReset" }
func (*FactoryReset) isRequest()     {}

// FactoryResetResponse answers it.
type FactoryResetResponse struct{}

// Method returns "FactoryResetResponse".
func (*FactoryResetResponse) Method() string { return "FactoryResetResponse" }
func (*FactoryResetResponse) isResponse()    {}
