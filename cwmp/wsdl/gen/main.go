// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Command gen makes the Go types of a WSDL with the gowsdl that go.mod pins,
// without network, and takes the target namespace out of them, so that they
// decode every version of CWMP.
//
// Usage: gen <file.wsdl> <package> <out.go>.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io"
	"log"
	"os"

	"github.com/hooklift/gowsdl"
)

// namespace is in every tag of a top-level element.
const namespace = "urn:dslforum-org:cwmp-1-2 "

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: gen <file.wsdl> <package> <out.go>")
		os.Exit(2)
	}
	log.SetOutput(io.Discard) // gowsdl reports there which files it reads
	src, err := generate(os.Args[1], os.Args[2])
	if err == nil {
		err = os.WriteFile(os.Args[3], src, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(wsdl, pkg string) ([]byte, error) {
	g, err := gowsdl.NewGoWSDL(wsdl, pkg, false, true)
	if err != nil {
		return nil, err
	}
	parts, err := g.Start()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, name := range []string{"header", "types", "operations"} {
		b.Write(bytes.ReplaceAll(parts[name], []byte(`xml:"`+namespace), []byte(`xml:"`)))
	}
	return format.Source(b.Bytes())
}
