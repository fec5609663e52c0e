// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Command protogen compiles the .proto files beside it and writes the Go code
// into the module, with the versions of compiler and plugin that go.mod pins:
// no protoc needs to be installed.
//
// Usage: protogen <directory of the .proto files> <module root>.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

const module = "github.com/uspgate/uspgate"

var sources = []string{"usp-msg-1-4.proto", "usp-record-1-4.proto"}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: protogen <directory of the .proto files> <module root>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(protoDir, root string) error {
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{protoDir}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), sources...)
	if err != nil {
		return err
	}
	param := "module=" + module
	req := &pluginpb.CodeGeneratorRequest{FileToGenerate: sources, Parameter: &param}
	for _, f := range files {
		req.ProtoFile = append(req.ProtoFile, protoutil.ProtoFromFileDescriptor(f))
	}
	gen, err := protogen.Options{}.New(req)
	if err != nil {
		return err
	}
	for _, f := range gen.Files {
		internal_gengo.GenerateFile(gen, f)
	}
	resp := gen.Response()
	if resp.Error != nil {
		return fmt.Errorf("generate: %s", resp.GetError())
	}
	for _, f := range resp.GetFile() {
		name := filepath.Join(root, strings.TrimPrefix(f.GetName(), module+"/"))
		if err := os.WriteFile(name, []byte(f.GetContent()), 0o600); err != nil {
			return err
		}
	}
	return nil
}
