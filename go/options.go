package netconnpool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
)

// The options of the library by their names; made at first use.
var optionTable struct {
	once   sync.Once
	rows   []optionRow
	byName map[string]*optionRow
}

func options() []optionRow {
	optionTable.once.Do(func() {
		optionTable.rows = libOptions()
		optionTable.byName = make(map[string]*optionRow)
		for i := range optionTable.rows {
			row := &optionTable.rows[i]
			optionTable.byName[row.name] = row
		}
	})
	return optionTable.rows
}

func optionNamed(name string) *optionRow {
	options()
	return optionTable.byName[name]
}

func fieldOf(option int) *configField {
	for i := range configFields {
		if configFields[i].option == option {
			return &configFields[i]
		}
	}
	return nil
}

// textOption is the field of an option that is a text; nil for others.
func (c *Config) textOption(option int) *string {
	switch option {
	case ncpOptionName:
		return &c.Name
	case ncpOptionTarget:
		return &c.Target
	}
	return nil
}

// An OptionInfo describes an option of the library.
type OptionInfo struct {
	// Name is what it is called in every language.
	Name string
	// Unit is that of its number, such as "ms"; Help is one line.
	Unit, Help string
	// Live says that Pool.SetOption may change it.
	Live bool
	// Default is that of a client, ServerDefault that of a server; they and the
	// range are 0 for a text.
	Default, ServerDefault, Min, Max int64
}

// Options describes the options that a Config has. Without cgo there are none.
func Options() []OptionInfo {
	if !cgoEnabled {
		return nil
	}
	var list []OptionInfo
	var config Config
	for i := range options() {
		row := &optionTable.rows[i]
		if !config.forGo(row) {
			continue
		}
		info := OptionInfo{Name: row.name, Unit: row.unit, Help: row.help,
			Live:          row.live,
			Default:       libOptionDefault(row.option, PoolModeClient),
			ServerDefault: libOptionDefault(row.option, PoolModeServer)}
		info.Min, info.Max = libOptionLimits(row.option)
		list = append(list, info)
	}
	return list
}

// SetOption sets an option by the name it has in every language, from text:
// ("idle_timeout", "30s"), ("fairness", "adaptive"). The error is a *ConfigError.
func (c *Config) SetOption(name, text string) error {
	if !cgoEnabled {
		return ErrCgoDisabled
	}
	row := optionNamed(name)
	if row == nil {
		return &ConfigError{fmt.Sprintf("%q is no option", name), ErrNotFound}
	}
	lib, status := newLibConfig(PoolModeClient)
	if status != ncpOk {
		return statusError(status)
	}
	defer lib.free()
	if status = lib.setText(name, text); status != ncpOk {
		return &ConfigError{lib.reason(), statusError(status)}
	}
	return c.setFrom(lib, row, text)
}

// setFrom takes the value of an option over from a configuration of C.
func (c *Config) setFrom(lib libConfig, row *optionRow, text string) error {
	if at := c.textOption(row.option); at != nil {
		*at = text
		return nil
	}
	field := fieldOf(row.option)
	if field == nil {
		return &ConfigError{row.name + " is not for a pool of Go", ErrInvalidConfig}
	}
	value, status := lib.getInt(row.option)
	if status != ncpOk {
		return statusError(status)
	}
	if field.zero == zeroIsDefault && value == 0 {
		value = -1 // 0 would be the default
	}
	field.store(c, value)
	return nil
}

// Option returns an option as text, in the form that SetOption reads.
func (c *Config) Option(name string) (string, error) {
	if !cgoEnabled {
		return "", ErrCgoDisabled
	}
	row := optionNamed(name)
	if row == nil {
		return "", &ConfigError{fmt.Sprintf("%q is no option", name), ErrNotFound}
	}
	lib, err := c.scalars()
	if err != nil {
		return "", err
	}
	defer lib.free()
	return c.optionText(lib, row)
}

// scalars makes a configuration of C with the options that are plain values.
func (c *Config) scalars() (libConfig, error) {
	lib, status := newLibConfig(c.Mode)
	if status != ncpOk {
		return lib, statusError(status)
	}
	if status = c.give(lib); status != ncpOk {
		defer lib.free()
		return lib, &ConfigError{lib.reason(), statusError(status)}
	}
	return lib, nil
}

func (c *Config) optionText(lib libConfig, row *optionRow) (string, error) {
	if at := c.textOption(row.option); at != nil {
		return *at, nil
	}
	if field := fieldOf(row.option); field != nil && field.zero == zeroIsOurs {
		return strconv.FormatBool(field.load(c) != 0), nil
	}
	text, status := lib.getText(row.name)
	if status != ncpOk {
		return "", statusError(status)
	}
	return text, nil
}

// -------------------------------------------------------------------------- JSON

// forGo says whether an option is a field of Config.
func (c *Config) forGo(row *optionRow) bool {
	return fieldOf(row.option) != nil || c.textOption(row.option) != nil
}

// MarshalJSON writes the plain values, by the names of the options: durations as
// text, "5m0s". Functions, the Listener and the Clock are left out.
func (c *Config) MarshalJSON() ([]byte, error) {
	if !cgoEnabled {
		return nil, ErrCgoDisabled
	}
	lib, err := c.scalars()
	if err != nil {
		return nil, err
	}
	defer lib.free()
	var out bytes.Buffer
	out.WriteByte('{')
	for i := range options() {
		row := &optionTable.rows[i]
		if !c.forGo(row) {
			continue
		}
		text, err := c.optionText(lib, row)
		if err != nil {
			return nil, err
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		writePair(&out, row, text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func writePair(out *bytes.Buffer, row *optionRow, text string) {
	out.WriteString(strconv.Quote(row.name))
	out.WriteByte(':')
	if row.kind == ncpTypeInt || row.kind == ncpTypeBool {
		out.WriteString(text)
		return
	}
	quoted, _ := json.Marshal(text)
	out.Write(quoted)
}

// UnmarshalJSON reads what MarshalJSON writes: an object whose keys are names of
// options. A duration is text or a number of milliseconds. What is not named
// stays. An unknown or doubled key or a value of the wrong type is a
// *ConfigError that names the key, and changes nothing.
func (c *Config) UnmarshalJSON(data []byte) error {
	if !cgoEnabled {
		return ErrCgoDisabled
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	changed := *c
	if err := changed.readObject(decoder); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return &ConfigError{"there is more than one value", ErrInvalidConfig}
	}
	*c = changed
	return nil
}

func (c *Config) readObject(decoder *json.Decoder) error {
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return &ConfigError{"it is not a JSON object", ErrInvalidConfig}
	}
	seen := make(map[string]bool)
	for decoder.More() {
		token, err := decoder.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return &ConfigError{"it is not valid JSON", ErrInvalidConfig}
		}
		if seen[key] {
			return &ConfigError{key + " is there twice", ErrInvalidConfig}
		}
		seen[key] = true
		if err := c.readValue(decoder, key); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return &ConfigError{"it is not valid JSON", ErrInvalidConfig}
	}
	return nil
}

func (c *Config) readValue(decoder *json.Decoder, key string) error {
	token, err := decoder.Token()
	if err != nil {
		return &ConfigError{key + ": it is not valid JSON", ErrInvalidConfig}
	}
	row := optionNamed(key)
	if row == nil || !c.forGo(row) {
		return &ConfigError{key + " is no option", ErrInvalidConfig}
	}
	text, ok := jsonText(row.kind, token)
	if !ok {
		return &ConfigError{key + " has a value of the wrong type",
			ErrInvalidConfig}
	}
	if err := c.SetOption(key, text); err != nil {
		return &ConfigError{key + ": " + err.Error(), ErrInvalidConfig}
	}
	return nil
}

// jsonText is a value as SetOption reads it, if its type fits the option.
func jsonText(kind int, token json.Token) (string, bool) {
	switch value := token.(type) {
	case bool:
		return strconv.FormatBool(value), kind == ncpTypeBool
	case json.Number:
		_, err := value.Int64()
		return value.String(), err == nil &&
			(kind == ncpTypeInt || kind == ncpTypeDuration)
	case string:
		return value, kind == ncpTypeDuration || kind == ncpTypeEnum ||
			kind == ncpTypeText
	}
	return "", false
}

// ------------------------------------------------------------------ living pools

// SetOption changes an option of a living pool, by the name it has in every
// language; durations are milliseconds, enumerations their numbers. ErrState
// says that this one is fixed.
func (p *Pool) SetOption(name string, value int64) error {
	row := optionNamed(name)
	if row == nil {
		return ErrNotFound
	}
	err := p.control(func(lib libPool) int { return lib.set(row.option, value) })
	if err == nil {
		p.core.noteOption(row.option, value)
	}
	return err
}

// noteOption keeps what Go knows itself.
func (c *core) noteOption(option int, value int64) {
	switch option {
	case ncpOptionGetTimeout:
		c.getTimeoutMs.Store(value)
	case ncpOptionDialPolicy:
		c.failsOne.Store(value == ncpDialFailOne)
	default:
		c.lane.adjust(c.lib)
	}
}

// Option returns a numeric option as the pool has it, corrections included.
func (p *Pool) Option(name string) (int64, error) {
	row := optionNamed(name)
	if row == nil {
		return 0, ErrNotFound
	}
	value, status := p.core.lib.option(row.option)
	runtime.KeepAlive(p)
	return value, statusError(status)
}
