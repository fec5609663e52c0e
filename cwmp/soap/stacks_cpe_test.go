// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import "github.com/uspgate/uspgate/cwmp"

// stackFromCPE are messages as CPE write them, but for those about software
// modules.
func stackFromCPE() []stackVector {
	return []stackVector{
		{
			`<cwmp:Inform><DeviceId xsi:type="cwmp:DeviceIdStruct"><Manufacturer xsi:type="xsd:string">Maker &amp; Sons` +
				`</Manufacturer><OUI xsi:type="xsd:string">00e0fc</OUI><ProductClass xsi:type="xsd:string">HG8245</ProductClass>` +
				`<SerialNumber xsi:type="xsd:string">4857544312345678</SerialNumber></DeviceId>` +
				`<Event xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="cwmp:EventStruct[02]"><EventStruct>` +
				`<EventCode>1 BOOT</EventCode><CommandKey></CommandKey></EventStruct><EventStruct><EventCode>M Reboot</EventCode>` +
				`<CommandKey>k1</CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes>` +
				`<CurrentTime>1970-01-01T00:01:10</CurrentTime><RetryCount>00</RetryCount>` +
				`<ParameterList SOAP-ENC:arrayType="cwmp:ParameterValueStruct[2]"><ParameterValueStruct>` +
				`<Name>InternetGatewayDevice.DeviceInfo.SoftwareVersion</Name><Value xsi:type="xsd:string">V3R017</Value>` +
				`</ParameterValueStruct><ParameterValueStruct><Name>InternetGatewayDevice.ManagementServer.ParameterKey</Name>` +
				`<Value></Value></ParameterValueStruct></ParameterList></cwmp:Inform>`,
			&cwmp.Inform{
				DeviceID: cwmp.DeviceID{
					Manufacturer: "Maker & Sons", OUI: "00e0fc", ProductClass: "HG8245", SerialNumber: "4857544312345678",
				},
				Events:       []cwmp.Event{{Code: cwmp.EventBoot}, {Code: cwmp.EventMReboot, CommandKey: "k1"}},
				MaxEnvelopes: 1, CurrentTime: "1970-01-01T00:01:10",
				Params: []cwmp.ParameterValue{
					str("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "V3R017"),
					{Name: "InternetGatewayDevice.ManagementServer.ParameterKey"},
				},
			},
		},
		{
			"<cwmp:TransferComplete>\n<CommandKey>fw-1</CommandKey>\n<FaultStruct>\n<FaultCode>9010</FaultCode>\n" +
				"<FaultString>Download failed: HTTP 404</FaultString>\n</FaultStruct>\n<StartTime>2024-02-29T12:34:56Z" +
				"</StartTime>\n<CompleteTime>0001-01-01T00:00:00Z</CompleteTime>\n</cwmp:TransferComplete>",
			&cwmp.TransferComplete{
				CommandKey: "fw-1", Fault: cwmp.Fault{Code: 9010, Text: "Download failed: HTTP 404"}, StartTime: someTime,
				CompleteTime: unknownTime,
			},
		},
		{
			`<cwmp:AutonomousTransferComplete><AnnounceURL/><TransferURL>ftp://h/cfg?a=1&amp;b=2</TransferURL>` +
				`<IsDownload>true</IsDownload><FileType>3 Vendor Configuration File</FileType><FileSize>+1024</FileSize>` +
				`<TargetFileName/><FaultStruct><FaultCode>0</FaultCode><FaultString/></FaultStruct>` +
				`<StartTime>2024-02-29T12:34:56Z</StartTime><CompleteTime>2024-02-29T12:34:56Z</CompleteTime>` +
				`</cwmp:AutonomousTransferComplete>`,
			&cwmp.AutonomousTransferComplete{
				TransferURL: "ftp://h/cfg?a=1&b=2", IsDownload: true, FileType: "3 Vendor Configuration File",
				FileSize: 1024, StartTime: someTime, CompleteTime: someTime,
			},
		},
		{
			"<cwmp:Kicked>\n  <Command>login</Command>\n  <Referer>http://192.168.1.1/</Referer>\n  <Arg>lang=de</Arg>\n" +
				"  <Next>http://192.168.1.1/home?x=1&amp;y</Next>\n</cwmp:Kicked>",
			&cwmp.Kicked{
				Command: "login", Referer: "http://192.168.1.1/", Arg: "lang=de", Next: "http://192.168.1.1/home?x=1&y",
			},
		},
		{
			`<cwmp:RequestDownload><FileType>1 Firmware Upgrade Image</FileType><FileTypeArg` +
				` SOAP-ENC:arrayType="cwmp:ArgStruct[1]"><ArgStruct><Name>Version</Name><Value>1.0</Value></ArgStruct>` +
				`</FileTypeArg></cwmp:RequestDownload>`,
			&cwmp.RequestDownload{
				FileType: "1 Firmware Upgrade Image", Args: []cwmp.Arg{{Name: "Version", Value: "1.0"}},
			},
		},
		{"<cwmp:GetRPCMethods></cwmp:GetRPCMethods>", &cwmp.GetRPCMethods{}},
		{
			`<cwmp:GetRPCMethodsResponse><MethodList xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[2]">` +
				`<string xsi:type="xsd:string">GetRPCMethods</string><item>X_00E0FC_Do</item></MethodList>` +
				`</cwmp:GetRPCMethodsResponse>`,
			&cwmp.GetRPCMethodsResponse{Methods: []string{"GetRPCMethods", "X_00E0FC_Do"}},
		},
		{
			`<cwmp:SetParameterValuesResponse><Status xsi:type="xsd:int">1</Status></cwmp:SetParameterValuesResponse>`,
			&cwmp.SetParameterValuesResponse{Status: 1},
		},
		{
			`<cwmp:GetParameterValuesResponse><ParameterList SOAP-ENC:arrayType="cwmp:ParameterValueStruct[0003]">` +
				"\n<ParameterValueStruct>\n<Name>\nDevice.A\n</Name>\n<Value xsi:type=\"xsd:unsignedint\">\n 5 \n</Value>" +
				"\n</ParameterValueStruct>\n" +
				`<ParameterValueStruct><Name>Device.B</Name><Value xsi:type='xsd:boolean'>true</Value></ParameterValueStruct>` +
				`<ParameterValueStruct><Name>Device.C</Name></ParameterValueStruct></ParameterList>` +
				`</cwmp:GetParameterValuesResponse>`,
			&cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{
				{Name: "Device.A", Value: "5", Type: cwmp.TypeUnsignedInt},
				{Name: "Device.B", Value: "true", Type: cwmp.TypeBoolean},
				{Name: "Device.C", NoValue: true},
			}},
		},
		{
			`<cwmp:GetParameterNamesResponse><ParameterList SOAP-ENC:arrayType="cwmp:ParameterInfoStruct[2]">` +
				`<ParameterInfoStruct><Name>Device.WiFi.</Name><Writable>0</Writable></ParameterInfoStruct>` +
				`<ParameterInfoStruct><Writable>TRUE</Writable><Name>Device.WiFi.SSID.1.SSID</Name></ParameterInfoStruct>` +
				`</ParameterList></cwmp:GetParameterNamesResponse>`,
			&cwmp.GetParameterNamesResponse{Params: []cwmp.ParameterInfo{
				{Name: "Device.WiFi."}, {Name: "Device.WiFi.SSID.1.SSID", Writable: true},
			}},
		},
		{`<cwmp:SetParameterAttributesResponse/>`, &cwmp.SetParameterAttributesResponse{}},
		{
			`<cwmp:GetParameterAttributesResponse><ParameterList SOAP-ENC:arrayType="cwmp:ParameterAttributeStruct[1]">` +
				`<ParameterAttributeStruct><Name>Device.A</Name><Notification>2</Notification><AccessList` +
				` SOAP-ENC:arrayType="xsd:string[1]"><string>Subscriber</string></AccessList></ParameterAttributeStruct>` +
				`</ParameterList></cwmp:GetParameterAttributesResponse>`,
			&cwmp.GetParameterAttributesResponse{Params: []cwmp.ParameterAttribute{
				{Name: "Device.A", Notification: 2, AccessList: []string{"Subscriber"}},
			}},
		},
		{
			`<cwmp:AddObjectResponse><InstanceNumber>3</InstanceNumber><Status>0</Status></cwmp:AddObjectResponse>`,
			&cwmp.AddObjectResponse{InstanceNumber: 3},
		},
		{"<cwmp:DeleteObjectResponse>\n<Status>\n0\n</Status>\n</cwmp:DeleteObjectResponse>", &cwmp.DeleteObjectResponse{}},
		{
			`<cwmp:DownloadResponse><Status>1</Status><StartTime></StartTime><CompleteTime/></cwmp:DownloadResponse>`,
			&cwmp.DownloadResponse{Status: 1},
		},
		{
			`<cwmp:UploadResponse><Status>1</Status><StartTime>0001-01-01T00:00:00Z</StartTime>` +
				`<CompleteTime>0001-01-01T00:00:00Z</CompleteTime></cwmp:UploadResponse>`,
			&cwmp.UploadResponse{Status: 1, StartTime: unknownTime, CompleteTime: unknownTime},
		},
		{`<cwmp:RebootResponse />`, &cwmp.RebootResponse{}},
		{"<cwmp:FactoryResetResponse>\n</cwmp:FactoryResetResponse>", &cwmp.FactoryResetResponse{}},
		{`<cwmp:ScheduleInformResponse/>`, &cwmp.ScheduleInformResponse{}},
		{`<cwmp:ScheduleDownloadResponse></cwmp:ScheduleDownloadResponse>`, &cwmp.ScheduleDownloadResponse{}},
		{`<cwmp:CancelTransferResponse/>`, &cwmp.CancelTransferResponse{}},
		{`<cwmp:SetVouchersResponse/>`, &cwmp.SetVouchersResponse{}},
		{
			`<cwmp:GetQueuedTransfersResponse><TransferList SOAP-ENC:arrayType="cwmp:QueuedTransferStruct[01]">` +
				`<QueuedTransferStruct><CommandKey>fw-1</CommandKey><State>1</State></QueuedTransferStruct>` +
				`</TransferList></cwmp:GetQueuedTransfersResponse>`,
			&cwmp.GetQueuedTransfersResponse{Transfers: []cwmp.QueuedTransfer{{CommandKey: "fw-1", State: 1}}},
		},
		{
			`<cwmp:GetAllQueuedTransfersResponse><TransferList SOAP-ENC:arrayType="cwmp:AllQueuedTransferStruct[1]">` +
				`<AllQueuedTransferStruct><CommandKey/><State>2</State><IsDownload>true</IsDownload>` +
				`<FileType>1 Firmware Upgrade Image</FileType><FileSize>0</FileSize><TargetFileName/>` +
				`</AllQueuedTransferStruct></TransferList></cwmp:GetAllQueuedTransfersResponse>`,
			&cwmp.GetAllQueuedTransfersResponse{Transfers: []cwmp.QueuedTransfer{
				{State: 2, IsDownload: true, FileType: "1 Firmware Upgrade Image"},
			}},
		},
		{
			`<cwmp:GetOptionsResponse><OptionList SOAP-ENC:arrayType="cwmp:OptionStruct[1]"><OptionStruct>` +
				`<OptionName>VoIP</OptionName><VoucherSN>7</VoucherSN><State>3</State><Mode>2</Mode>` +
				`<StartDate>2024-02-29T12:34:56Z</StartDate><IsTransferable>1</IsTransferable></OptionStruct>` +
				`</OptionList></cwmp:GetOptionsResponse>`,
			&cwmp.GetOptionsResponse{Options: []cwmp.Option{
				{Name: "VoIP", VoucherSN: 7, State: 3, Mode: 2, StartDate: someTime, IsTransferable: true},
			}},
		},
		{
			`<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>CWMP fault</faultstring><detail>` +
				`<cwmp:Fault><FaultCode>9003</FaultCode><FaultString>Invalid arguments</FaultString><SetParameterValuesFault>` +
				`<ParameterName>Device.A</ParameterName><FaultCode>9007</FaultCode><FaultString/></SetParameterValuesFault>` +
				`</cwmp:Fault></detail></SOAP-ENV:Fault>`,
			&cwmp.Fault{
				Code: 9003, Text: "Invalid arguments", Params: []cwmp.ParameterFault{{Name: "Device.A", Code: 9007}},
			},
		},
	}
}
