// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

// own are cases that the plan has not: it tests Agents only, and neither Unix domain
// sockets nor Register. In when are the requirements that they are about.
//
//nolint:gochecknoglobals // a constant table
var own = []entry{
	{"own.1", "UDS Handshakes, then the Connect Record", "R-UDS.16, R-UDS.17, R-MTP.6", own1, ""},
	{"own.2", "UDS, what is ignored", "R-UDS.15, R-UDS.19, R-UDS.20", own2, ""},
	{"own.3", "UDS Error and close", "R-UDS.21, R-UDS.23", own3, ""},
	{"own.4", "UDS Error of the peer", "R-UDS.25", own4, ""},
	{"own.5", "UDS client, and its retry", "R-UDS.5, R-UDS.16", own5, ""},
	{"own.6", "UDS relay of a native Agent", "R-UDS.22, R-MTP.6", own6, ""},
	{"own.7", "Register and Deregister to a Virtual Agent", "R-MSG.1", own7, ""},
	{"own.8", "Records for another Agent, byte for byte", "MTP Proxy", own8, ""},
	{"own.9", "Native and Virtual Agents over one connection", "MTP Proxy", own9, ""},
	{"own.10", "from_id that is not the peer's", "R-SEC.4c", own10, ""},
	{"own.11", "to_id of nobody, and the own one", "R-ARC.2", own11, ""},
	{"own.12", "Connect Record and reply topic from MTP to MTP", "MTP Proxy, R-MTP.8", own12, ""},
}
