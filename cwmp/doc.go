// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cwmp holds the words of CWMP (TR-069 Amendment 6): device identity,
// values, RPCs, events, faults and the envelope that carries them. One file
// per RPC family; the wire form is in cwmp/soap.
//
// The messages are all methods of TR-069 annex A, of the CPE and of the ACS.
// Values and times are the text of the wire, because much of what CPE send is
// neither what its type says nor an instant.
//
// It knows no I/O, clocks, logging or configuration. Strings of decoded
// messages may share one backing array with the whole envelope: clone what is
// kept. The Namespace, the ID and the DeviceID are copies and may be kept.
package cwmp
