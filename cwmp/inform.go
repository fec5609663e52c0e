// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// Event codes [TR-069 3.7.1.5].
const (
	EventBootstrap           = "0 BOOTSTRAP"
	EventBoot                = "1 BOOT"
	EventPeriodic            = "2 PERIODIC"
	EventScheduled           = "3 SCHEDULED"
	EventValueChange         = "4 VALUE CHANGE"
	EventKicked              = "5 KICKED"
	EventConnectionRequest   = "6 CONNECTION REQUEST"
	EventTransferComplete    = "7 TRANSFER COMPLETE"
	EventDiagnosticsComplete = "8 DIAGNOSTICS COMPLETE"
	EventRequestDownload     = "9 REQUEST DOWNLOAD"
	EventAutonomousTransfer  = "10 AUTONOMOUS TRANSFER COMPLETE"
	EventDUStateChange       = "11 DU STATE CHANGE COMPLETE"
	EventAutonomousDUChange  = "12 AUTONOMOUS DU STATE CHANGE COMPLETE"
	EventWakeup              = "13 WAKEUP"
	EventHeartbeat           = "14 HEARTBEAT"
	EventMReboot             = "M Reboot"
	EventMDownload           = "M Download"
	EventMScheduleDownload   = "M ScheduleDownload"
	EventMUpload             = "M Upload"
	EventMScheduleInform     = "M ScheduleInform"
	EventMChangeDUState      = "M ChangeDUState"
)

// Event is an EventStruct.
type Event struct {
	Code       string
	CommandKey string
}

// Inform opens a session [TR-069 A.3.3.1].
type Inform struct {
	DeviceID     DeviceID
	Events       []Event
	MaxEnvelopes uint32
	// CurrentTime as sent; clocks of CPE are often wrong and the text often
	// not a dateTime.
	CurrentTime string
	RetryCount  uint32
	Params      []ParameterValue
}

// Method returns "Inform".
func (*Inform) Method() string { return "Inform" }
func (*Inform) isRequest()     {}

// HasEvent reports whether the Inform carries the event code.
func (m *Inform) HasEvent(code string) bool {
	for i := range m.Events {
		if m.Events[i].Code == code {
			return true
		}
	}
	return false
}

// InformResponse answers an Inform. MaxEnvelopes is 1 on output whatever the
// field says.
type InformResponse struct{ MaxEnvelopes uint32 }

// Method returns "InformResponse".
func (*InformResponse) Method() string { return "InformResponse" }
func (*InformResponse) isResponse()    {}
