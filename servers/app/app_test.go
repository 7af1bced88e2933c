package app

import "testing"

func TestLookup(t *testing.T) {
	for _, test := range []struct {
		reason, method, path string
		status               int
		allow                string
	}{
		{"GET", "GET", "/plaintext", 200, ""},
		{"HEAD goes where GET goes", "HEAD", "/healthz", 200, ""},
		{"POST", "POST", "/echo", 200, ""},
		{"HEAD is no POST", "HEAD", "/echo", 405, "POST"},
		{"a wrong method", "POST", "/plaintext", 405, "GET, HEAD"},
		{"methods have case", "get", "/plaintext", 405, "GET, HEAD"},
		{"paths have case", "GET", "/Plaintext", 404, ""},
		{"no prefixes", "GET", "/plaintext/x", 404, ""},
		{"nothing", "GET", "", 404, ""},
	} {
		h, status, allow := Lookup([]byte(test.method), []byte(test.path))
		if status != test.status || allow != test.allow || (h != nil) != (status == 200) {
			t.Errorf("%s: status %d, allow %q, want %d and %q", test.reason, status, allow, test.status, test.allow)
		}
	}
}

func TestEchoCopiesNothing(t *testing.T) {
	body := []byte("hello")
	var resp Response
	echo.serve(&Request{Body: body}, &resp)
	if &resp.Body[0] != &body[0] {
		t.Error("the answer is a copy of the body")
	}
}
