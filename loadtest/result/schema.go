package result

import _ "embed"

// JSONSchema describes the record, in JSON Schema 2020-12: a Run under
// #/$defs/Run, a line of cells.jsonl under #/$defs/Repeat, a line of
// series.jsonl under #/$defs/Second. "go test -update" generates it from the types of this
// package.
//
//go:embed schema.json
var JSONSchema []byte
