// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package model shows the parameter tree of one CWMP CPE, TR-098
// (InternetGatewayDevice:1) or TR-181 (Device:2), as the USP variant of
// Device:2, and turns writes to that view back into CWMP.
//
// What maps to what is data: the YAML files in rules, which an override
// directory may replace or extend. What no rule covers is shown under
// Device.X_USPGATE_IGD. with the CPE's own names and instance numbers, so that
// nothing is lost.
//
// The package knows no sockets, goroutines, clocks or storage, and neither
// Records nor SOAP: it works on names and values alone.
package model
