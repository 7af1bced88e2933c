// Package all is the list of models. A new model is one folder and one line here: flags, tests,
// plans, legends and reports follow from its Name and Doc.
package all

import (
	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/eventloop"
	"github.com/tierbench/tierbench/servers/goroutine"
	"github.com/tierbench/tierbench/servers/multiloop"
	"github.com/tierbench/tierbench/servers/prefork"
	processes "github.com/tierbench/tierbench/servers/process"
	"github.com/tierbench/tierbench/servers/sequential"
	"github.com/tierbench/tierbench/servers/thread"
)

// Models lists all models, in the order in which they are shown.
var Models = []servers.Model{
	prefork.Model,
	thread.Model,
	eventloop.Model,
	goroutine.Model,
	multiloop.Model,
	processes.Model,
	sequential.Model,
	prefork.OverThread,
	prefork.OverEventLoop,
	prefork.OverSequential,
}

// Find returns the model called name.
func Find(name string) (servers.Model, bool) {
	for _, m := range Models {
		if m.Name == name {
			return m, true
		}
	}
	return servers.Model{}, false
}
