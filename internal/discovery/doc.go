// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package discovery makes Endpoints of this gateway known on the local network
// and finds others there, by DNS-SD (RFC 6763) over Multicast DNS (RFC 6762), or
// over unicast DNS for other domains than local (TR-369, "Discovery", R-DIS.*).
//
// An Endpoint is the instance <Endpoint ID>.<service>.<domain> [R-DIS.8]; which
// services there are is in names.go. Agents are advertised; Controllers are found
// by whoever asks for their instance, and by browsing only where that is wanted.
//
// An Advertiser does of RFC 6762: probing of names before they are used (8.1),
// two announcements (8.3), answers delayed where others may answer too (6), not
// more than once a second for each record (6), suppression of what the asker
// knows (7.1), also if that comes in several packets (7.2), unicast answers on
// request (5.4) and to simple resolvers (6.7), defence against conflicts once,
// then rest (9), and farewells with a TTL of 0 (10.1). It leaves out the tie-break
// of simultaneous probes (8.2), negative answers by NSEC (6.1) and questions that
// are sent to the host by unicast (5.5). A name of the host that is taken gets a
// number; an instance that is taken is not advertised, as it is an Endpoint ID.
//
// Browse asks for the wanted services at growing intervals (5.2) with the known
// answers, refreshes what it has found before that expires, and reports what
// came and went.
//
// The codec is that of miekg/dns. The responder and the browser are our own:
// hashicorp/mdns v1.0.7 neither probes nor suppresses known answers nor says
// farewell, forgets nothing by TTL, answers each query at once and without a
// bound, and has its sockets made inside, where no test reaches.
//
// Whatever comes from the network is bounded: packets waiting, records looked at
// per packet, instances remembered, answers per second. One goroutine per socket
// reads, one decides.
package discovery
