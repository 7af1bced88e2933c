package audit

import (
	"math"
	"strings"
	"testing"
)

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		reason, table string
		want          string // part of the only thing that is wrong; "" is nothing
	}{
		{"all holds", "clients,throughput,mean\n100,50000,0.002\n", ""},
		{"units are converted", "Connections,Throughput (krps),avg latency (ms)\n100,50,2\n", ""},
		{"and with an underscore", "clients,rps,mean_us\n100,\"50,000\",2000\n", ""},
		{"5 % is allowed", "clients,throughput,mean\n1000,50000,0.019001\n", ""},
		{"more is not", "clients,throughput,mean\n1000,50000,0.0189\n", "945 in flight, not 1000 (-5.5 %): some clients were idle"},
		{"nor on the other side", "clients,throughput,mean\n100,50000,0.0022\n", "(+10.0 %): more requests were in flight than there were clients"},
		{"percentiles out of order", "clients,throughput,mean,p50,p99,max\n100,50000,0.002,0.002,0.001,0.1\n", "p50, 2 ms, is more than p99, 1 ms"},
		{"a mean above the maximum", "clients,throughput,mean,max\n100,50000,0.002,0.001\n", "the mean, 2 ms, is more than the maximum, 1 ms"},
		{"a mean far below the median", "clients,throughput,mean,p50\n100,50000,0.002,0.005\n", "less than half the median"},
		{"requests that are not the throughput", "clients,throughput,mean,requests,duration\n100,50000,0.002,400000,10\n", "400000 requests in 10 s are 4e+04/s, not 5e+04/s"},
		{"within the rounding", "clients,throughput,mean,requests,duration\n100,50000,0.002,504000,10\n", ""},
		{"errors", "clients,throughput,mean,errors\n100,50000,0.002,3\n", "3 errors"},
	} {
		rows, err := Read("t.csv", strings.NewReader(tt.table))
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %d rows, err %v", tt.reason, len(rows), err)
			continue
		}
		wrong := strings.Join(rows[0].Wrong, "; ")
		if (tt.want == "") != (wrong == "") || !strings.Contains(wrong, tt.want) || len(rows[0].Wrong) > 1 {
			t.Errorf("%s: found %q, want %q", tt.reason, wrong, tt.want)
		}
	}
}

func TestWhatCannotBeCheckedIsSaid(t *testing.T) {
	rows, err := Read("t.csv", strings.NewReader("server,kind,clients,throughput,mean_ms,port\nnginx,http,100,,2,80\n"))
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if r := rows[0]; r.Line != 2 || r.Label != "nginx http" || !math.IsNaN(r.Residual) || len(r.Wrong) != 0 || len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0], "no throughput") {
		t.Errorf("%+v", r)
	}
}

func TestBadFiles(t *testing.T) {
	for _, tt := range []struct{ reason, table, want string }{
		{"nothing", "", "t.csv: the file is empty"},
		{"only a header", "clients,throughput,mean\n", "the file has no line after the header"},
		{"a column is missing", "clients,rps\n1,2\n", `t.csv:1: there is no column mean among ["clients" "rps"]. Needed: clients, throughput, mean`},
		{"two columns of one meaning", "clients,throughput,rps,mean\n", `"throughput" and "rps" both mean throughput`},
		{"a word for a number", "clients,throughput,mean\n1,2,3\nmany,2,3\n", `t.csv:3: clients: "many" is not allowed; allowed: a number of 0 or more`},
		{"less than nothing", "clients,throughput,mean\n1,-2,3\n", `t.csv:2: throughput: "-2" is not allowed; allowed: a number of 0 or more`},
		{"a line that is short", "clients,throughput,mean\n1,2\n", "wrong number of fields"},
	} {
		if _, err := Read("t.csv", strings.NewReader(tt.table)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("clients,throughput,mean\n100,50000,0.002\n")
	f.Add("a,clients,rps,mean_ms,p50,p99,max,errors,requests,duration\nx,1,2,3,4,5,6,7,8,9\n")
	f.Fuzz(func(t *testing.T, table string) {
		rows, err := Read("t.csv", strings.NewReader(table))
		if err == nil && len(rows) == 0 {
			t.Error("neither rows nor an error")
		}
	})
}
