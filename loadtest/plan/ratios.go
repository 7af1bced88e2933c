package plan

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

var metrics = []string{"throughput", "p99", "cpu", "memory", "generator-cpu"}

func (d *decoder) ratio(n ast.Node, path string, dst *[]result.Ratio) {
	var r result.Ratio
	number := func(to *float64) decode {
		return func(n ast.Node, path string) { *to = d.number(n, path, 0, 1e12) }
	}
	d.mapping(n, path, fields{
		"model": d.text(&r.Model), "peer": d.text(&r.Peer), "metric": d.oneOf(&r.Metric, metrics),
		"protocol": d.oneOf(&r.Protocol, protocols), "workload": d.text(&r.Workload),
		"setting": d.setting(&r.Setting), "peer_setting": d.setting(&r.PeerSetting),
		"at_least": number(&r.AtLeast), "at_most": number(&r.AtMost),
	})
	if d.failed(path) {
		return
	}
	for _, need := range []struct{ key, value string }{{"model", r.Model}, {"peer", r.Peer}, {"metric", r.Metric}} {
		if need.value == "" {
			d.failAt(n, path+"."+need.key, "is missing")
		}
	}
	*dst = append(*dst, r)
}
