// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import "github.com/uspgate/uspgate/cwmp"

// stackSoftware are messages about software modules: as the schema has them,
// and as arrays.
func stackSoftware() []stackVector {
	results := []cwmp.DUResult{
		{
			UUID: someUUID, DeploymentUnitRef: "Device.SoftwareModules.DeploymentUnit.1", Version: "1.0",
			CurrentState: "Installed", Resolved: true, StartTime: someTime, CompleteTime: someTime,
		},
		{
			UUID: someUUID, CurrentState: "Failed", StartTime: someTime, CompleteTime: someTime,
			Fault: cwmp.Fault{Code: 9028, Text: "Unknown Deployment Unit"},
		},
	}
	autonomous := []cwmp.DUResult{results[0]}
	autonomous[0].OperationPerformed = cwmp.DUUpdate
	const first = `<UUID>` + someUUID + `</UUID><DeploymentUnitRef>Device.SoftwareModules.DeploymentUnit.1` +
		`</DeploymentUnitRef><Version>1.0</Version><CurrentState>Installed</CurrentState><Resolved>1</Resolved>` +
		`<ExecutionUnitRefList/><StartTime>` + someTime + `</StartTime><CompleteTime>` + someTime + `</CompleteTime>`
	const second = `<UUID>` + someUUID + `</UUID><DeploymentUnitRef/><Version/><CurrentState>Failed</CurrentState>` +
		`<Resolved>false</Resolved><ExecutionUnitRefList/><StartTime>` + someTime + `</StartTime><CompleteTime>` +
		someTime + `</CompleteTime>`
	const good = `<FaultCode>0</FaultCode><FaultString/>`
	const bad = `<FaultCode>9028</FaultCode><FaultString>Unknown Deployment Unit</FaultString>`
	operations := []cwmp.DUOperation{
		{Kind: cwmp.DUInstall, URL: "http://h/d", UUID: someUUID},
		{Kind: cwmp.DUUninstall, UUID: someUUID, Version: "1.0"},
	}
	return []stackVector{
		{
			`<cwmp:ChangeDUState><Operations xsi:type="cwmp:InstallOpStruct"><URL>http://h/d</URL><UUID>` + someUUID +
				`</UUID><Username/></Operations><Operations xsi:type="cwmp:UninstallOpStruct"><UUID>` + someUUID +
				`</UUID><Version>1.0</Version></Operations><CommandKey>k</CommandKey></cwmp:ChangeDUState>`,
			&cwmp.ChangeDUState{Operations: operations, CommandKey: "k"},
		},
		{
			`<cwmp:ChangeDUState><CommandKey>k</CommandKey><Operations SOAP-ENC:arrayType="cwmp:OperationStruct[2]">` +
				`<InstallOpStruct><UUID>` + someUUID + `</UUID><URL>http://h/d</URL></InstallOpStruct><UninstallOpStruct>` +
				`<UUID>` + someUUID + `</UUID><Version>1.0</Version></UninstallOpStruct></Operations></cwmp:ChangeDUState>`,
			&cwmp.ChangeDUState{Operations: operations, CommandKey: "k"},
		},
		{
			`<cwmp:ChangeDUState><Operations SOAP-ENC:arrayType="cwmp:OperationStruct[0]"/></cwmp:ChangeDUState>`,
			&cwmp.ChangeDUState{},
		},
		{`<cwmp:ChangeDUStateResponse/>`, &cwmp.ChangeDUStateResponse{}},
		{
			`<cwmp:DUStateChangeComplete><Results>` + first + `<Fault>` + good + `</Fault></Results><Results>` + second +
				`<Fault>` + bad + `</Fault></Results><CommandKey>k</CommandKey></cwmp:DUStateChangeComplete>`,
			&cwmp.DUStateChangeComplete{Results: results, CommandKey: "k"},
		},
		{
			`<cwmp:DUStateChangeComplete><CommandKey>k</CommandKey><Results SOAP-ENC:arrayType="cwmp:OpResultStruct[2]">` +
				`<OpResultStruct>` + first + `<Fault><FaultStruct>` + good + `</FaultStruct></Fault></OpResultStruct>` +
				`<OpResultStruct>` + second + `<Fault><FaultStruct>` + bad + `</FaultStruct></Fault></OpResultStruct>` +
				`</Results></cwmp:DUStateChangeComplete>`,
			&cwmp.DUStateChangeComplete{Results: results, CommandKey: "k"},
		},
		{`<cwmp:DUStateChangeCompleteResponse/>`, &cwmp.DUStateChangeCompleteResponse{}},
		{
			`<cwmp:AutonomousDUStateChangeComplete><Results xsi:type="cwmp:AutonOpResultStruct">` + first + `<Fault>` + good +
				`</Fault><OperationPerformed>Update</OperationPerformed></Results></cwmp:AutonomousDUStateChangeComplete>`,
			&cwmp.AutonomousDUStateChangeComplete{Results: autonomous},
		},
		{
			`<cwmp:AutonomousDUStateChangeComplete><Results SOAP-ENC:arrayType="cwmp:AutonOpResultStruct[1]">` +
				`<AutonOpResultStruct>` + first + `<Fault>` + good + `</Fault><OperationPerformed>Update</OperationPerformed>` +
				`</AutonOpResultStruct></Results></cwmp:AutonomousDUStateChangeComplete>`,
			&cwmp.AutonomousDUStateChangeComplete{Results: autonomous},
		},
		{`<cwmp:AutonomousDUStateChangeCompleteResponse/>`, &cwmp.AutonomousDUStateChangeCompleteResponse{}},
	}
}

// stackFromACS are messages as ACS write them.
func stackFromACS() []stackVector {
	return []stackVector{
		{
			"<cwmp:InformResponse>\n<MaxEnvelopes>1</MaxEnvelopes>\n</cwmp:InformResponse>",
			&cwmp.InformResponse{MaxEnvelopes: 1},
		},
		{`<cwmp:TransferCompleteResponse></cwmp:TransferCompleteResponse>`, &cwmp.TransferCompleteResponse{}},
		{`<cwmp:AutonomousTransferCompleteResponse/>`, &cwmp.AutonomousTransferCompleteResponse{}},
		{
			`<cwmp:KickedResponse><NextURL>http://h/n</NextURL></cwmp:KickedResponse>`,
			&cwmp.KickedResponse{NextURL: "http://h/n"},
		},
		{`<cwmp:RequestDownloadResponse/>`, &cwmp.RequestDownloadResponse{}},
		{
			`<cwmp:SetParameterValues><ParameterList SOAP-ENC:arrayType="cwmp:ParameterValueStruct[1]"><ParameterValueStruct>` +
				`<Name>Device.WiFi.SSID.1.SSID</Name><Value xsi:type="xsd:string">  Tom &amp; Jerry </Value>` +
				`</ParameterValueStruct></ParameterList><ParameterKey>cfg-7</ParameterKey></cwmp:SetParameterValues>`,
			&cwmp.SetParameterValues{
				Params: []cwmp.ParameterValue{str("Device.WiFi.SSID.1.SSID", "  Tom & Jerry ")}, ParameterKey: "cfg-7",
			},
		},
		{
			`<cwmp:GetParameterValues><ParameterNames SOAP-ENC:arrayType="xsd:string[2]"><string>Device.WiFi.</string>` +
				`<string>Device.Time.Status</string></ParameterNames></cwmp:GetParameterValues>`,
			&cwmp.GetParameterValues{Names: []string{"Device.WiFi.", "Device.Time.Status"}},
		},
		{
			`<cwmp:GetParameterNames><ParameterPath></ParameterPath><NextLevel>true</NextLevel></cwmp:GetParameterNames>`,
			&cwmp.GetParameterNames{NextLevel: true},
		},
		{
			`<cwmp:SetParameterAttributes><ParameterList SOAP-ENC:arrayType="cwmp:SetParameterAttributesStruct[1]">` +
				`<SetParameterAttributesStruct><Name>Device.A</Name><NotificationChange>true</NotificationChange>` +
				`<Notification>2</Notification><AccessListChange>false</AccessListChange><AccessList` +
				` SOAP-ENC:arrayType="xsd:string[0]"></AccessList></SetParameterAttributesStruct></ParameterList>` +
				`</cwmp:SetParameterAttributes>`,
			&cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
				{Name: "Device.A", NotificationChange: true, Notification: 2},
			}},
		},
		{
			`<cwmp:GetParameterAttributes><ParameterNames SOAP-ENC:arrayType="xsd:string[1]"><string>Device.A</string>` +
				`</ParameterNames></cwmp:GetParameterAttributes>`,
			&cwmp.GetParameterAttributes{Names: []string{"Device.A"}},
		},
		{
			`<cwmp:AddObject><ObjectName>Device.WiFi.SSID.</ObjectName><ParameterKey/></cwmp:AddObject>`,
			&cwmp.AddObject{ObjectName: "Device.WiFi.SSID."},
		},
		{
			"<cwmp:DeleteObject>\n<ObjectName>\nDevice.WiFi.SSID.2.\n</ObjectName>\n<ParameterKey>k</ParameterKey>\n" +
				"</cwmp:DeleteObject>",
			&cwmp.DeleteObject{ObjectName: "Device.WiFi.SSID.2.", ParameterKey: "k"},
		},
		{`<cwmp:Reboot><CommandKey>k</CommandKey></cwmp:Reboot>`, &cwmp.Reboot{CommandKey: "k"}},
		{`<cwmp:FactoryReset/>`, &cwmp.FactoryReset{}},
		{
			`<cwmp:Download><CommandKey>k</CommandKey><FileType>1 Firmware Upgrade Image</FileType>` +
				`<URL>http://h/f?a=1&amp;b=2</URL><Username>u</Username><Password>p&lt;</Password><FileSize>123</FileSize>` +
				`<TargetFileName/><DelaySeconds>0</DelaySeconds><SuccessURL/><FailureURL/></cwmp:Download>`,
			&cwmp.Download{
				CommandKey: "k", FileType: "1 Firmware Upgrade Image", URL: "http://h/f?a=1&b=2", Username: "u",
				Password: "p<", FileSize: 123,
			},
		},
		{
			`<cwmp:Upload><CommandKey>k</CommandKey><FileType>4 Vendor Log File 1</FileType><URL>http://h/u</URL>` +
				`<Username/><Password/><DelaySeconds>5</DelaySeconds></cwmp:Upload>`,
			&cwmp.Upload{CommandKey: "k", FileType: "4 Vendor Log File 1", URL: "http://h/u", DelaySeconds: 5},
		},
		{
			`<cwmp:ScheduleDownload><CommandKey>k</CommandKey><FileType>1 Firmware Upgrade Image</FileType>` +
				`<URL>http://h/f</URL><Username/><Password/><FileSize>0</FileSize><TargetFileName/><TimeWindowList` +
				` SOAP-ENC:arrayType="cwmp:TimeWindowStruct[1]"><TimeWindowStruct><WindowStart>0</WindowStart>` +
				`<WindowEnd>3600</WindowEnd><WindowMode>3 When Idle</WindowMode><UserMessage/><MaxRetries>-1</MaxRetries>` +
				`</TimeWindowStruct></TimeWindowList></cwmp:ScheduleDownload>`,
			&cwmp.ScheduleDownload{
				CommandKey: "k", FileType: "1 Firmware Upgrade Image", URL: "http://h/f",
				Windows: []cwmp.TimeWindow{{End: 3600, Mode: cwmp.WindowWhenIdle, MaxRetries: -1}},
			},
		},
		{`<cwmp:CancelTransfer><CommandKey>k</CommandKey></cwmp:CancelTransfer>`, &cwmp.CancelTransfer{CommandKey: "k"}},
		{`<cwmp:GetQueuedTransfers/>`, &cwmp.GetQueuedTransfers{}},
		{`<cwmp:GetAllQueuedTransfers></cwmp:GetAllQueuedTransfers>`, &cwmp.GetAllQueuedTransfers{}},
		{
			`<cwmp:ScheduleInform><DelaySeconds>60</DelaySeconds><CommandKey>k</CommandKey></cwmp:ScheduleInform>`,
			&cwmp.ScheduleInform{DelaySeconds: 60, CommandKey: "k"},
		},
		{
			`<cwmp:SetVouchers><VoucherList SOAP-ENC:arrayType="SOAP-ENC:base64[1]"><base64>` + "\nPFZv\ndWNo\n" +
				`</base64></VoucherList></cwmp:SetVouchers>`,
			&cwmp.SetVouchers{Vouchers: []string{"PFZv\ndWNo"}},
		},
		{`<cwmp:GetOptions><OptionName/></cwmp:GetOptions>`, &cwmp.GetOptions{}},
	}
}
