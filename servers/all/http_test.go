package all

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

// answer is a whole answer, byte for byte: every model must give the same.
func answer(status int, contentType, body string, extra ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nServer: tierbench\r\n", status, http.StatusText(status))
	var after []string
	for _, line := range extra {
		if strings.HasPrefix(line, "Allow") {
			b.WriteString(line + "\r\n")
		} else {
			after = append(after, line+"\r\n")
		}
	}
	fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s", contentType, len(body), strings.Join(after, ""), body)
	return b.String()
}

// fail is the answer to a request that is refused.
func fail(status int, extra ...string) string {
	return answer(status, "text/plain", http.StatusText(status), extra...)
}

func echoed(body string, extra ...string) string {
	return answer(200, "application/octet-stream", body, extra...)
}

const (
	closing   = "Connection: close"
	keepAlive = "Connection: keep-alive"
	goOn      = "HTTP/1.1 100 Continue\r\n\r\n"
	host      = "Host: h\r\n"
)

var hello = answer(200, "text/plain", "Hello, World!")

var done = answer(200, "text/plain", "done")

var badMS = answer(400, "text/plain", "ms must be a whole number of milliseconds from 0 to 10000")

// headOnly is answer without its body.
func headOnly(answer string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	return head + "\r\n\r\n"
}

// An httpRow is one request and its answer. What closes is sent whole and in pieces; what stays
// open is also pipelined.
type httpRow struct {
	reason string
	send   string
	want   string
	closes bool
}

var httpRows = []httpRow{
	{reason: "the workload that costs nothing", send: "GET /plaintext HTTP/1.1\r\n" + host + "\r\n", want: hello},
	{reason: "readiness", send: "GET /healthz HTTP/1.1\r\n" + host + "\r\n", want: answer(200, "text/plain", "ok")},
	{reason: "a body comes back", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", want: echoed("hello")},
	{reason: "bytes are bytes", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 6\r\n\r\n\r\n\x00\xff\r\n", want: echoed("\r\n\x00\xff\r\n")},
	{reason: "an empty body is one", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", want: echoed("")},
	{reason: "no length means no body", send: "POST /echo HTTP/1.1\r\n" + host + "\r\n", want: echoed("")},
	{reason: "a query is no part of the path", send: "GET /plaintext?a=/b HTTP/1.1\r\n" + host + "\r\n", want: hello},
	{reason: "a proxy sends the whole URL", send: "GET http://h/plaintext?x HTTP/1.1\r\n" + host + "\r\n", want: hello},
	{reason: "field names have no case, and spaces around values do not count",
		send: "POST /echo HTTP/1.1\r\nhOST:h\r\ncontent-LENGTH: \t2 \r\n\r\nok", want: echoed("ok")},
	{reason: "an empty line before a request is skipped, as after an old client's body",
		send: "\r\nGET /plaintext HTTP/1.1\r\n" + host + "\r\n", want: hello},
	{reason: "a GET may have a body, which is not the next request",
		send: "GET /plaintext HTTP/1.1\r\n" + host + "Content-Length: 16\r\n\r\nGET /evil HTTP/1", want: hello},
	{reason: "many fields", send: "GET /plaintext HTTP/1.1\r\n" + host + strings.Repeat("X-Field: value\r\n", 8) + "\r\n", want: hello},

	{reason: "an answer that is waited for", send: "GET /wait?ms=3 HTTP/1.1\r\n" + host + "\r\n", want: done},
	{reason: "nothing to wait for", send: "GET /wait?ms=0 HTTP/1.1\r\n" + host + "\r\n", want: done},
	{reason: "a system call that blocks", send: "GET /block?ms=3 HTTP/1.1\r\n" + host + "\r\n", want: done},
	{reason: "a computation", send: "GET /cpu?us=300 HTTP/1.1\r\n" + host + "\r\n", want: done},
	{reason: "HEAD waits too", send: "HEAD /wait?ms=3 HTTP/1.1\r\n" + host + "\r\n", want: headOnly(done)},
	{reason: "a body before the wait, which is read over", send: "GET /wait?ms=3 HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nok", want: done},
	{reason: "HTTP/1.0 waits and closes", send: "GET /wait?ms=3 HTTP/1.0\r\n\r\n", want: answer(200, "text/plain", "done", closing), closes: true},
	{reason: "HTTP/1.0 waits and keeps the connection if asked", send: "GET /wait?ms=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		want: answer(200, "text/plain", "done", keepAlive)},
	{reason: "a wait without a time", send: "GET /wait HTTP/1.1\r\n" + host + "\r\n", want: badMS},
	{reason: "a wait that is too long", send: "GET /wait?ms=10001 HTTP/1.1\r\n" + host + "\r\n", want: badMS},
	{reason: "a wait that is no number", send: "GET /wait?ms=1s HTTP/1.1\r\n" + host + "\r\n", want: badMS},
	{reason: "blocking for too long", send: "GET /block?ms=10001 HTTP/1.1\r\n" + host + "\r\n", want: badMS},
	{reason: "too much to compute", send: "GET /cpu?us=1000001 HTTP/1.1\r\n" + host + "\r\n",
		want: answer(400, "text/plain", "us must be a whole number of microseconds from 0 to 1000000")},
	{reason: "counting", send: "POST /counter HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", want: answer(200, "text/plain", "ok")},
	{reason: "a path with two methods names both", send: "PUT /counter HTTP/1.1\r\n" + host + "\r\n", want: fail(405, "Allow: POST, GET, HEAD")},

	{reason: "HEAD is GET without the body", send: "HEAD /plaintext HTTP/1.1\r\n" + host + "\r\n", want: headOnly(hello)},
	{reason: "HEAD of nothing", send: "HEAD /nothing HTTP/1.1\r\n" + host + "\r\n", want: headOnly(fail(404))},
	{reason: "an unknown path", send: "GET /nothing HTTP/1.1\r\n" + host + "\r\n", want: fail(404)},
	{reason: "an unknown path with a body, which is read over", send: "POST /nothing HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", want: fail(404)},
	{reason: "a path is matched whole", send: "GET /plaintext/ HTTP/1.1\r\n" + host + "\r\n", want: fail(404)},
	{reason: "no route harms the server unless it is asked for", send: "GET /fault/panic HTTP/1.1\r\n" + host + "\r\n", want: fail(404)},
	{reason: "the server itself has no workload", send: "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", want: fail(404)},
	{reason: "a wrong method, and what is allowed", send: "DELETE /plaintext HTTP/1.1\r\n" + host + "\r\n", want: fail(405, "Allow: GET, HEAD")},
	{reason: "a wrong method where only POST is allowed", send: "GET /echo HTTP/1.1\r\n" + host + "\r\n", want: fail(405, "Allow: POST")},
	{reason: "an unknown method", send: "BREW /plaintext HTTP/1.1\r\n" + host + "\r\n", want: fail(405, "Allow: GET, HEAD")},
	{reason: "methods have case", send: "get /plaintext HTTP/1.1\r\n" + host + "\r\n", want: fail(405, "Allow: GET, HEAD")},

	{reason: "the client wants the connection closed", send: "GET /plaintext HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n",
		want: answer(200, "text/plain", "Hello, World!", closing), closes: true},
	{reason: "close among other options", send: "GET /plaintext HTTP/1.1\r\n" + host + "Connection: x, CLOSE\r\n\r\n",
		want: answer(200, "text/plain", "Hello, World!", closing), closes: true},
	{reason: "keep-alive is what HTTP/1.1 does anyway", send: "GET /plaintext HTTP/1.1\r\n" + host + "Connection: keep-alive\r\n\r\n", want: hello},
	{reason: "HTTP/1.0 closes", send: "GET /plaintext HTTP/1.0\r\n\r\n",
		want: answer(200, "text/plain", "Hello, World!", closing), closes: true},
	{reason: "HTTP/1.0 keeps the connection if asked, and is told so", send: "GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		want: answer(200, "text/plain", "Hello, World!", keepAlive)},

	{reason: "chunks", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n8\r\n, chunks\r\n0\r\n\r\n",
		want: echoed("hello, chunks")},
	{reason: "chunks with extensions and trailers, which are dropped",
		send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n2;a=b\r\nok\r\n0;z\r\nX: y\r\n\r\n", want: echoed("ok")},
	{reason: "no chunk but the last", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: echoed("")},
	{reason: "a chunk without a size", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nhello", want: fail(400, closing), closes: true},
	{reason: "a chunk larger than the limit for bodies", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", want: fail(413, closing), closes: true},

	{reason: "a client that asks for 100 gets it, also when it does not wait", send: "POST /echo HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
		want: goOn + echoed("ok")},
	{reason: "100 for chunks too", send: "POST /echo HTTP/1.1\r\n" + host + "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		want: goOn + echoed("ok")},
	{reason: "no 100 when there is no body", send: "GET /plaintext HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n", want: hello},
	{reason: "no 100 for an unwanted body: the answer comes at once, and the body may or may not",
		send: "POST /nothing HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", want: fail(404, closing), closes: true},
	{reason: "an unknown expectation", send: "POST /echo HTTP/1.1\r\n" + host + "Expect: more\r\nContent-Length: 2\r\n\r\n", want: fail(417, closing), closes: true},

	{reason: "no HTTP", send: "hello\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "TLS", send: "\x16", want: fail(400, closing), closes: true},
	{reason: "no version", send: "GET /plaintext\r\n" + host + "\r\n", want: fail(400, closing), closes: true},
	{reason: "a version that is not spoken", send: "GET /plaintext HTTP/2.0\r\n" + host + "\r\n", want: fail(505, closing), closes: true},
	{reason: "a field without a colon", send: "GET /plaintext HTTP/1.1\r\n" + host + "nonsense\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "a space before the colon, which hides a field from some parsers", send: "GET /plaintext HTTP/1.1\r\n" + host + "X : y\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "a folded line", send: "GET /plaintext HTTP/1.1\r\n" + host + "X: y\r\n z\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "lines that end in a bare line feed", send: "GET /plaintext HTTP/1.1\nHost: h\n\n", want: fail(400, closing), closes: true},
	{reason: "a zero byte in a value", send: "GET /plaintext HTTP/1.1\r\n" + host + "X: \x00\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "HTTP/1.1 needs Host", send: "GET /plaintext HTTP/1.1\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "two Hosts", send: "GET /plaintext HTTP/1.1\r\n" + host + host + "\r\n", want: fail(400, closing), closes: true},
	{reason: "a length that is no number", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "two lengths", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", want: fail(400, closing), closes: true},
	{reason: "a list of lengths", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 2, 2\r\n\r\nok", want: fail(400, closing), closes: true},
	{reason: "smuggling: a length and chunks", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "smuggling: a coding that is not chunked", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", want: fail(400, closing), closes: true},
	{reason: "smuggling: two codings", send: "POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: fail(400, closing), closes: true},
	{reason: "HTTP/1.0 has no chunks", send: "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: fail(400, closing), closes: true},

	{reason: "a header block as large as the limit", send: headerOf(servers.DefaultHeaderBytes), want: hello},
	{reason: "one byte larger", send: headerOf(servers.DefaultHeaderBytes + 1), want: fail(431, closing), closes: true},
	{reason: "a body said to be one byte larger than the limit", send: fmt.Sprintf("POST /echo HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", host, servers.DefaultBodyBytes+1),
		want: fail(413, closing), closes: true},
	{reason: "a length that does not fit a machine word", send: "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", want: fail(400, closing), closes: true},
}

// headerOf returns a request for /plaintext whose header block has n bytes.
func headerOf(n int) string {
	const fixed = "GET /plaintext HTTP/1.1\r\n" + host + "X: \r\n\r\n"
	return strings.Replace(fixed, "X: ", "X: "+strings.Repeat("x", n-len(fixed)), 1)
}

const (
	depth     = 16 // of pipelining
	splitting = 512
	// bytePause lets a byte arrive by itself most of the time. When it does not, the test has only
	// less to find.
	bytePause = 300 * time.Microsecond
)

func TestHTTP(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := use(t, model, protocol)
		var rows sync.WaitGroup
		for _, row := range httpRows {
			row.want = by(model, row.want)
			row.closes = row.closes || closesEach(model)
			rows.Go(func() {
				check := func(how string, err error) {
					if err != nil {
						t.Errorf("%s, %s: %v", row.reason, how, err)
					}
				}
				check("whole", row.run(p, row.want, func(w io.Writer) error {
					_, err := io.WriteString(w, row.send)
					return err
				}))
				if !row.closes {
					check("pipelined", row.run(p, strings.Repeat(row.want, depth), func(w io.Writer) error {
						_, err := io.WriteString(w, strings.Repeat(row.send, depth))
						return err
					}))
				}
				if len(row.send) <= splitting {
					check("byte by byte", row.run(p, row.want, func(w io.Writer) error {
						for i := range len(row.send) {
							if _, err := io.WriteString(w, row.send[i:i+1]); err != nil {
								return nil // it was refused before its end: the answer shows it
							}
							time.Sleep(bytePause)
						}
						return nil
					}))
				}
			})
		}
		rows.Wait()
	})
}

// run sends a row on a new connection and checks what comes back, and that the connection ends or
// continues as it should.
func (row httpRow) run(p *process, want string, send func(io.Writer) error) error {
	c := p.dial()
	defer func() { _ = c.Close() }()
	if err := send(c); err != nil {
		return err
	}
	if err := expect(c, want); err != nil {
		return err
	}
	if row.closes {
		return end(c)
	}
	return exchange(c, "GET /healthz HTTP/1.1\r\n"+host+"\r\n", answer(200, "text/plain", "ok"))
}

// A client that waits for 100 must get it before it sends its body, and only once.
func TestContinueComesBeforeTheBody(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		c := use(t, model, protocol).dial()
		if err := exchange(c, "POST /echo HTTP/1.1\r\n"+host+"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", goOn); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "ab"); err != nil {
			t.Fatal(err)
		}
		if err := exchange(c, "cd", by(model, echoed("abcd"))); err != nil {
			t.Error(err)
		}
	})
}

// Bodies of many reads, up to the limit; one byte more is refused, and the client can read why
// although it is sending.
func TestLargeBodies(t *testing.T) {
	const limit = 1 << 20 // the default takes the race detector over a minute
	largest := strings.Repeat("0123456789abcdef", limit/16)
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol, "--max-body", strconv.Itoa(limit))
		for _, test := range []struct {
			reason, header, send, want string
			closes                     bool
		}{
			{"a length", "Content-Length: %d", largest, echoed(largest), false},
			{"one chunk", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(largest), largest), echoed(largest), false},
			{"many chunks", "Transfer-Encoding: chunked", chunks(largest, 10_000), echoed(largest), false},
			{"a length over the limit, and the body sent anyway", "Content-Length: %d", largest + "x", fail(413, closing), true},
			{"chunks over the limit", "Transfer-Encoding: chunked", chunks(largest+"x", 10_000), fail(413, closing), true},
		} {
			header := test.header
			if strings.Contains(header, "%d") {
				header = fmt.Sprintf(header, len(test.send))
			}
			c := p.dial()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = io.WriteString(c, "POST /echo HTTP/1.1\r\n"+host+header+"\r\n\r\n"+test.send)
			}()
			if err := expect(c, by(model, test.want)); err != nil {
				t.Errorf("%s: %v", test.reason, err)
			}
			if test.closes || closesEach(model) {
				if err := end(c); err != nil {
					t.Errorf("%s: %v", test.reason, err)
				}
			}
			_ = c.Close()
			<-sent
		}
	})
}

func chunks(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// A client may close its sending side and still wait for the answer, however large.
func TestHalfClose(t *testing.T) {
	body := strings.Repeat("x", servers.DefaultBodyBytes)
	eachModel(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		if protocol == servers.Echo && closesEach(model) {
			return // it echoes what it reads at once, however much the client sends
		}
		c := use(t, model, protocol).dial()
		send, want := body, body
		if protocol == servers.HTTP {
			send = fmt.Sprintf("POST /echo HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, len(body), body)
			want = by(model, echoed(body))
		}
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, send)
			if err == nil {
				err = c.CloseWrite()
			}
			sent <- err
		}()
		if protocol == servers.HTTP {
			// The answer begins when the request has ended, and a client may take its time to read
			// it.
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		if err := expect(c, want); err != nil {
			t.Fatal(err)
		}
		if err := end(c); err != nil {
			t.Error(err)
		}
	})
}
