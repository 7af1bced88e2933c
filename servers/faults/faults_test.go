package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/servers/app"
)

func TestLookup(t *testing.T) {
	for _, test := range []struct {
		reason, method, path string
		status               int
	}{
		{"a fault", "GET", "/fault/panic", 200},
		{"another", "GET", "/fault/fatal", 200},
		{"HEAD would do the harm too", "HEAD", "/fault/panic", 405},
		{"POST", "POST", "/fault/leak", 405},
		{"none of these", "GET", "/fault/", 404},
		{"not below it", "GET", "/panic", 404},
		{"no prefixes", "GET", "/fault/panic/x", 404},
	} {
		h, status, allow := Lookup([]byte(test.method), []byte(test.path))
		if status != test.status || (h != nil) != (status == 200) || (allow == "GET") != (status == 405) {
			t.Errorf("%s: status %d, allow %q, want %d", test.reason, status, allow, test.status)
		}
	}
}

func TestRecovered(t *testing.T) {
	h, _, _ := Lookup([]byte("GET"), []byte("/fault/recovered-panic"))
	var resp app.Response
	h(&app.Request{}, &resp)
	if resp.Status != http.StatusInternalServerError || !resp.Close {
		t.Errorf("answered %+v, want 500 and the end of the connection", resp)
	}
}

func TestPanicIsNotRecovered(t *testing.T) {
	h, _, _ := Lookup([]byte("GET"), []byte("/fault/panic"))
	defer func() {
		if recover() == nil {
			t.Error("no panic came out of the handler")
		}
	}()
	h(&app.Request{}, &app.Response{})
}

func TestBadParameters(t *testing.T) {
	for _, path := range []string{"/fault/leak", "/fault/descriptors"} {
		h, _, _ := Lookup([]byte("GET"), []byte(path))
		for _, query := range []string{"", "mb", "mb=&ms=", "mb=0&ms=0", "mb=-1&ms=-1", "mb=x&ms=x", "mb=99999999&ms=99999999", "xmb=1&xms=1"} {
			var resp app.Response
			h(&app.Request{Query: []byte(query)}, &resp)
			if resp.Status != http.StatusBadRequest || !strings.Contains(string(resp.Body), "from 1 to ") {
				t.Errorf("%s?%s: %d %q, want 400 and what is allowed", path, query, resp.Status, resp.Body)
			}
		}
	}
}

func TestLeakKeeps(t *testing.T) {
	h, _, _ := Lookup([]byte("GET"), []byte("/fault/leak"))
	var resp app.Response
	h(&app.Request{Query: []byte("a=b&mb=3")}, &resp)
	if string(resp.Body) != "done" || len(leaked.blocks) != 3 {
		t.Errorf("answered %q, %d blocks are kept, want 3", resp.Body, len(leaked.blocks))
	}
}
