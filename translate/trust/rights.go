// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trust

import "fmt"

// Rights are what a Permission grants, a bit for each letter of its four words.
type Rights uint16

// The rights, by the parameter of the Permission whose letter they are.
const (
	ReadParam   Rights = 1 << iota // Param r: Get, GetSupportedDM
	WriteParam                     // Param w: Set, Add
	NotifyParam                    // Param n: ValueChange

	ReadObject     // Obj r: Get, GetSupportedDM
	Add            // Obj w: Add of rows
	NotifyCreation // Obj n: ObjectCreation

	ReadInstance   // InstantiatedObj r: GetInstances
	Delete         // InstantiatedObj w: Delete
	NotifyDeletion // InstantiatedObj n: ObjectDeletion

	ReadCommand   // CommandEvent r: GetSupportedDM
	Execute       // CommandEvent x: Operate
	NotifyCommand // CommandEvent n: Event, OperationComplete

	// All is every right there is.
	All Rights = 1<<iota - 1
)

// letters are the rights by word and position; 0 where a letter has no meaning, which is
// taken and does nothing.
//
//nolint:gochecknoglobals // a constant
var letters = [4][4]Rights{
	{ReadParam, WriteParam, 0, NotifyParam},
	{ReadObject, Add, 0, NotifyCreation},
	{ReadInstance, Delete, 0, NotifyDeletion},
	{ReadCommand, 0, Execute, NotifyCommand},
}

const order = "rwxn"

// Parse makes Rights of the parameters Param, Obj, InstantiatedObj and CommandEvent of a
// Permission: four characters each, "r", "w", "x" and "n" in that order or "-" instead.
// An empty one grants nothing.
func Parse(param, obj, instantiatedObj, commandEvent string) (Rights, error) {
	var all Rights
	for i, word := range [4]string{param, obj, instantiatedObj, commandEvent} {
		r, err := parseWord(word, &letters[i])
		if err != nil {
			return 0, err
		}
		all |= r
	}
	return all, nil
}

// Check says whether word is one of the four words.
func Check(word string) error {
	_, err := parseWord(word, &letters[0])
	return err
}

func parseWord(word string, of *[4]Rights) (Rights, error) {
	if word == "" {
		return 0, nil
	}
	if len(word) != len(order) {
		return 0, fmt.Errorf("%q is not four characters of rwxn, with - for those that are missing", word)
	}
	var r Rights
	for i := range len(order) {
		switch word[i] {
		case order[i]:
			r |= of[i]
		case '-':
		default:
			return 0, fmt.Errorf("%q has no %c or - at position %d", word, order[i], i+1)
		}
	}
	return r, nil
}
