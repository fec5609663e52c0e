// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// Type is the xsi:type of a parameter value. The zero Type means that the CPE
// sent none, or one that nobody knows.
type Type uint8

// The types of [TR-106 3.2.1] that appear in xsi:type.
const (
	TypeUnknown Type = iota
	TypeString
	TypeInt
	TypeUnsignedInt
	TypeLong
	TypeUnsignedLong
	TypeBoolean
	TypeDateTime
	TypeBase64
	TypeHexBinary
)

var typeNames = [...]string{
	"string", "string", "int", "unsignedInt", "long", "unsignedLong", "boolean", "dateTime", "base64", "hexBinary",
}

// String returns the local name of the type as it is written on the wire;
// TypeUnknown is written as string.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "string"
}

// ParseType reads the local name of an xsi:type, in any case and with the
// variants that CPE use (base64Binary); what is not known is TypeUnknown.
func ParseType(local string) Type {
	for t := TypeString; t <= TypeHexBinary; t++ {
		if local == typeNames[t] {
			return t
		}
	}
	if len(local) > len("unsignedLong") {
		return TypeUnknown
	}
	var buf [len("unsignedLong")]byte
	lower := buf[:0]
	for i := range len(local) {
		c := local[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	switch string(lower) {
	case "string":
		return TypeString
	case "int", "integer":
		return TypeInt
	case "unsignedint":
		return TypeUnsignedInt
	case "long":
		return TypeLong
	case "unsignedlong":
		return TypeUnsignedLong
	case "boolean", "bool":
		return TypeBoolean
	case "datetime":
		return TypeDateTime
	case "base64", "base64binary":
		return TypeBase64
	case "hexbinary":
		return TypeHexBinary
	default:
		return TypeUnknown
	}
}

// ParameterValue is a ParameterValueStruct: one parameter with its value in
// the lexical form of the wire.
type ParameterValue struct {
	Name  string
	Value string
	Type  Type
	// NoValue is true if the CPE left the Value element out [quirk 12].
	NoValue bool
}

// ParameterInfo is a ParameterInfoStruct. The name of an object ends in a dot;
// Writable of a table means AddObject, of an instance DeleteObject.
type ParameterInfo struct {
	Name     string
	Writable bool
}

// ParameterAttribute is a ParameterAttributeStruct.
type ParameterAttribute struct {
	Name         string
	Notification int
	AccessList   []string
}

// IsPartialPath reports whether name is an object's rather than a parameter's.
func IsPartialPath(name string) bool {
	return name == "" || name[len(name)-1] == '.'
}
