package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// An object of a document. Numbers are json.Number.
type object = map[string]any

// A document is one scenario, written out by the harness.
type document struct {
	id    string
	needs []string
	cases []object
}

func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

func readDocument(path string) (*document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	value, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	whole, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("%s is no object", path)
	}
	doc := &document{id: textAt(whole, "id", "?")}
	current.Store(doc)
	keysOnly(whole, "id title rules needs cases", "document")
	for _, need := range listAt(whole, "needs") {
		doc.needs = append(doc.needs, need.(string))
	}
	for _, one := range listAt(whole, "cases") {
		doc.cases = append(doc.cases, one.(object))
	}
	return doc, nil
}

// keysOnly fails on a key that is not among `keys`, which are separated by spaces.
func keysOnly(o object, keys, what string) {
	known := " " + keys + " "
	for key := range o {
		if !strings.Contains(known, " "+key+" ") {
			fail("%s: this runner does not know the key %s", what, key)
		}
	}
}

func textAt(o object, key, otherwise string) string {
	if text, ok := o[key].(string); ok {
		return text
	}
	return otherwise
}

func intAt(o object, key string, otherwise int64) int64 {
	if number, ok := o[key].(json.Number); ok {
		return integer(number)
	}
	return otherwise
}

func boolAt(o object, key string) bool {
	value, _ := o[key].(bool)
	return value
}

func listAt(o object, key string) []any {
	list, _ := o[key].([]any)
	return list
}

func objectAt(o object, key string) object {
	inner, _ := o[key].(object)
	return inner
}

func has(o object, key string) bool {
	_, there := o[key]
	return there
}

func stepsOf(value any) []object {
	var steps []object
	list, _ := value.([]any)
	for _, one := range list {
		steps = append(steps, one.(object))
	}
	return steps
}

func integer(number json.Number) int64 {
	value, err := number.Int64()
	if err != nil {
		fail("%s is no whole number", number)
	}
	return value
}

func float(number json.Number) float64 {
	value, err := number.Float64()
	if err != nil {
		fail("%s is no number", number)
	}
	return value
}

// shown is a value as it stands in a document.
func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
