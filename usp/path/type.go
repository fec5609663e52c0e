// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

// Type is the primitive type of a parameter, with the flag List where its value
// is a comma-separated list of such. The zero Type is a string.
type Type uint8

// The primitive types of TR-106, as GetSupportedDM names them.
const (
	TypeString Type = iota
	TypeBoolean
	TypeInt
	TypeUnsignedInt
	TypeLong
	TypeUnsignedLong
	TypeDateTime
	TypeBase64
	TypeHexBinary
	TypeDecimal
)

// List is the flag of a comma-separated list: TypeString|List.
const List Type = 1 << 7

// Base returns t without the flag List.
func (t Type) Base() Type { return t &^ List }

// IsList reports the flag List.
func (t Type) IsList() bool { return t&List != 0 }

// String returns the type's name as data-model definitions spell it, with []
// after it for a list.
func (t Type) String() string {
	name := t.Base().name()
	if t.IsList() {
		return name + "[]"
	}
	return name
}

func (t Type) name() string {
	switch t {
	case TypeBoolean:
		return "boolean"
	case TypeInt:
		return "int"
	case TypeUnsignedInt:
		return "unsignedInt"
	case TypeLong:
		return "long"
	case TypeUnsignedLong:
		return "unsignedLong"
	case TypeDateTime:
		return "dateTime"
	case TypeBase64:
		return "base64"
	case TypeHexBinary:
		return "hexBinary"
	case TypeDecimal:
		return "decimal"
	default:
		return "string"
	}
}

// ParseType is the inverse of String; it reports false for an unknown name.
func ParseType(name string) (Type, bool) {
	var list Type
	if n := len(name); n > 2 && name[n-2:] == "[]" {
		name, list = name[:n-2], List
	}
	for t := TypeString; t <= TypeDecimal; t++ {
		if t.name() == name {
			return t | list, true
		}
	}
	return TypeString, false
}
