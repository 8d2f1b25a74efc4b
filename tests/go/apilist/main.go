// Command apilist prints the exported API of the package in a folder, a line a
// symbol: functions and methods with their types, fields, constants, variables.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"sort"
	"strings"
)

func main() {
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, os.Args[1], func(info os.FileInfo) bool {
		return !strings.HasSuffix(info.Name(), "_test.go")
	}, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l := lister{files: files, lines: make(map[string]bool)}
	for name, p := range packages {
		if name == "main" {
			continue
		}
		for _, file := range p.Files {
			for _, declaration := range file.Decls {
				l.declaration(declaration)
			}
		}
	}
	l.print()
}

type lister struct {
	files *token.FileSet
	lines map[string]bool
}

func (l *lister) print() {
	sorted := make([]string, 0, len(l.lines))
	for line := range l.lines {
		sorted = append(sorted, line)
	}
	sort.Strings(sorted)
	for _, line := range sorted {
		fmt.Println(line)
	}
}

func (l *lister) add(format string, args ...interface{}) {
	l.lines[fmt.Sprintf(format, args...)] = true
}

// text writes a type; names of parameters are not part of it.
func (l *lister) text(node ast.Node) string {
	if function, ok := node.(*ast.FuncType); ok {
		node = &ast.FuncType{Params: nameless(function.Params),
			Results: nameless(function.Results)}
	}
	var out strings.Builder
	_ = printer.Fprint(&out, l.files, node)
	return strings.Join(strings.Fields(out.String()), " ")
}

func nameless(fields *ast.FieldList) *ast.FieldList {
	if fields == nil {
		return nil
	}
	list := &ast.FieldList{}
	for _, field := range fields.List {
		count := len(field.Names)
		if count == 0 {
			count = 1
		}
		for i := 0; i < count; i++ {
			list.List = append(list.List, &ast.Field{Type: field.Type})
		}
	}
	return list
}

func (l *lister) declaration(declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		l.function(d)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			l.spec(d.Tok, spec)
		}
	}
}

func (l *lister) function(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	kind := l.text(d.Type)
	if d.Recv == nil {
		l.add("func %s %s", d.Name.Name, kind)
		return
	}
	receiver := l.text(d.Recv.List[0].Type)
	if ast.IsExported(strings.TrimPrefix(receiver, "*")) {
		l.add("method %s.%s %s", receiver, d.Name.Name, kind)
	}
}

func (l *lister) spec(kind token.Token, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() {
				l.add("%s %s", kind, name.Name)
			}
		}
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			l.kind(s)
		}
	}
}

func (l *lister) kind(s *ast.TypeSpec) {
	structure, ok := s.Type.(*ast.StructType)
	if !ok {
		l.add("type %s %s", s.Name.Name, l.text(s.Type))
		return
	}
	l.add("type %s struct", s.Name.Name)
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() {
				l.add("field %s.%s %s", s.Name.Name, name.Name, l.fieldType(field.Type))
			}
		}
	}
}

// fieldType sees through the named function types, which may be written out.
func (l *lister) fieldType(node ast.Expr) string {
	if name, ok := node.(*ast.Ident); ok {
		switch name.Name {
		case "Dialer":
			return "func(context.Context) (net.Conn, error)"
		case "Acceptor":
			return "func(context.Context, net.Listener) (net.Conn, error)"
		case "HealthChecker":
			return "func(net.Conn) bool"
		}
	}
	return l.text(node)
}
