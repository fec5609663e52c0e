// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// root is the root of every data model.
const root = "Device."

// mount is a mounted CPE.
type mount struct {
	number uint32
	id     usp.EndpointID // of its Virtual Agent
	row    string         // Device.ProxiedDevice.1.
}

// hidden are the parts of a Virtual Agent that are its own and not the CPE's.
var hidden = [...]string{"Device.LocalAgent.", "Device.BulkData.", agent.ProxiedTable}

// isHidden reports whether a path of a Virtual Agent is not shown in a mounted CPE.
func isHidden(p string) bool {
	for _, h := range hidden {
		if strings.HasPrefix(p, h) || p+"." == h {
			return true
		}
	}
	return false
}

// out is a text of a Virtual Agent as the gateway has it: a path, or a list of paths
// separated by commas, is rewritten; any other text stays as it is.
func (m mount) out(s string) string {
	return eachPath(s, func(p string) (string, bool) {
		rest, ok := strings.CutPrefix(p, root)
		if !ok || isHidden(p) {
			return p, ok
		}
		return m.row + rest, true
	})
}

// in is the way back: what is not below this row stays as it is.
func (m mount) in(s string) string {
	return eachPath(s, func(p string) (string, bool) {
		if rest, ok := strings.CutPrefix(p, m.row); ok {
			return root + rest, true
		}
		return p, strings.HasPrefix(p, root)
	})
}

// eachPath rewrites the items of a list, if all of them are paths that f takes.
func eachPath(s string, f func(p string) (string, bool)) string {
	if !strings.Contains(s, root) {
		return s
	}
	items := strings.Split(s, ",")
	for i, item := range items {
		p := strings.Trim(item, " ")
		to, ok := f(p)
		if !ok || strings.ContainsFunc(p, isForeign) {
			return s
		}
		before, after, _ := strings.Cut(item, p)
		items[i] = before + to + after
	}
	return strings.Join(items, ",")
}

// isForeign reports whether a character is in no path without an expression.
func isForeign(c rune) bool {
	return (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (c < '0' || '9' < c) && !strings.ContainsRune("._-{}*()!", c)
}

// outText rewrites the paths in a sentence.
func (m mount) outText(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, root)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		to := m.row
		if isHidden(s[i:]) {
			to = root
		}
		b.WriteString(to)
		s = s[i+len(root):]
	}
}

// inExpression rewrites the paths that expressions compare with.
func (m mount) inExpression(below string) string {
	if !strings.Contains(below, "[") {
		return below
	}
	return strings.ReplaceAll(below, `"`+m.row, `"`+root)
}

// outMessage rewrites every text of an answer, or of a Notify, in place: those of fields
// err_msg as sentences.
func (m mount) outMessage(msg proto.Message) {
	rewrite(msg.ProtoReflect(), func(fd protoreflect.FieldDescriptor, s string) string {
		if fd.Name() == "err_msg" {
			return m.outText(s)
		}
		return m.out(s)
	})
}

// inMessage rewrites every text of a request in place.
func (m mount) inMessage(msg proto.Message) {
	rewrite(msg.ProtoReflect(), func(_ protoreflect.FieldDescriptor, s string) string { return m.in(s) })
}

// rewrite gives every string below a message to f, but the keys of maps.
func rewrite(msg protoreflect.Message, f func(fd protoreflect.FieldDescriptor, s string) string) {
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Kind() != protoreflect.StringKind {
				return true
			}
			all := v.Map()
			all.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				all.Set(k, protoreflect.ValueOfString(f(fd, v.String())))
				return true
			})
		case fd.IsList():
			list := v.List()
			for i := range list.Len() {
				switch fd.Kind() {
				case protoreflect.StringKind:
					list.Set(i, protoreflect.ValueOfString(f(fd, list.Get(i).String())))
				case protoreflect.MessageKind:
					rewrite(list.Get(i).Message(), f)
				default:
				}
			}
		case fd.Kind() == protoreflect.StringKind:
			msg.Set(fd, protoreflect.ValueOfString(f(fd, v.String())))
		case fd.Kind() == protoreflect.MessageKind:
			rewrite(v.Message(), f)
		}
		return true
	})
}
