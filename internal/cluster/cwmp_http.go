// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp/acs"
)

// CookieNode is by what the session cookies of a node begin: a hash of its name,
// which may have characters that a cookie may not.
func CookieNode(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}

// Exchanges is what an acs.Server passes exchanges on to that belong to a session
// of another node.
func (n *Node) Exchanges() acs.Elsewhere { return &n.http }

// ServeExchanges has s answer the exchanges of its sessions that come in at other
// nodes.
func (n *Node) ServeExchanges(s *acs.Server) {
	n.http.mu.Lock()
	defer n.http.mu.Unlock()
	n.http.server = s
}

// exchanges implements acs.Elsewhere.
type exchanges struct {
	n *Node

	mu     sync.Mutex
	server *acs.Server
}

// knowsTimeout bounds how long a node is asked whether it knows a cookie.
const knowsTimeout = 2 * time.Second

// find is the node that a cookie names.
func (e *exchanges) find(node string) (holderKey, bool) {
	for name, m := range e.n.living() {
		if name != e.n.o.Name && CookieNode(name) == node {
			return holderKey{name, m.epoch}, true
		}
	}
	return holderKey{}, false
}

// Knows implements acs.Elsewhere.
func (e *exchanges) Knows(ctx context.Context, node, cookie string) bool {
	to, ok := e.find(node)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, knowsTimeout)
	defer cancel()
	reply, err := e.n.rpc.call(ctx, to, rpcKnows, []byte(cookie))
	return err == nil && len(reply) == 1 && reply[0] == answerOK
}

// Exchange implements acs.Elsewhere.
func (e *exchanges) Exchange(ctx context.Context, node string, x acs.Exchange) (acs.Answer, error) {
	to, ok := e.find(node)
	if !ok {
		return acs.Answer{}, errPeerGone
	}
	body := x.Body
	x.Body = nil
	head, err := json.Marshal(x)
	if err != nil {
		return acs.Answer{}, fmt.Errorf("cluster: exchange: %w", err)
	}
	reply, err := e.n.rpc.call(ctx, to, rpcExchange, append(appendString(nil, head), body...))
	if err != nil {
		return acs.Answer{}, err
	}
	var answer acs.Answer
	d := reader{b: reply}
	if err := json.Unmarshal(d.bytes(), &answer); err != nil || d.bad {
		return acs.Answer{}, errStreamFrame
	}
	answer.Body = d.b
	return answer, nil
}

// serve answers what other nodes ask.
func (e *exchanges) serve(ctx context.Context, kind rpcKind, data []byte) ([]byte, error) {
	e.mu.Lock()
	server := e.server
	e.mu.Unlock()
	if server == nil {
		return nil, errNoSession
	}
	if kind == rpcKnows {
		if server.Knows(string(data)) {
			return []byte{answerOK}, nil
		}
		return []byte{answerNo}, nil
	}
	d := reader{b: data}
	var x acs.Exchange
	if err := json.Unmarshal(d.bytes(), &x); err != nil || d.bad {
		return nil, errStreamFrame
	}
	x.Body = d.b
	answer := server.Exchange(ctx, x)
	body := answer.Body
	answer.Body = nil
	head, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("cluster: exchange: %w", err)
	}
	return append(appendString(nil, head), body...), nil
}
