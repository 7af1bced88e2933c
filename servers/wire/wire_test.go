package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/app"
)

func newServer(protocol string, headerBytes, bodyBytes int) *Server {
	return New(servers.Config{
		Protocol: protocol,
		Limits:   servers.Limits{HeaderBytes: headerBytes, BodyBytes: bodyBytes},
	})
}

// feedAll feeds pieces to a new connection and returns all that comes back, up to the end of the
// connection.
func feedAll(s *Server, pieces ...[]byte) (out []byte, closed bool) {
	var c Conn
	defer s.Release(&c)
	for _, p := range pieces {
		if len(p) == 0 {
			continue
		}
		reply, next := s.Feed(&c, p, nil)
		out = append(out, reply...)
		for next == Later {
			reply, next = s.Resume(&c, nil)
			out = append(out, reply...)
		}
		if next == Close {
			return out, true
		}
	}
	return out, false
}

func bytewise(b []byte) [][]byte {
	var pieces [][]byte
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	return pieces
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: tierbench\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestConnHoldsNothingWhenIdle(t *testing.T) {
	s := newServer(servers.HTTP, 1024, 1024)
	request := []byte("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
	var c Conn
	for i := range request {
		_, _ = s.Feed(&c, request[i:i+1], nil)
		if last := i == len(request)-1; c.Partial() == last {
			t.Fatalf("after %q: Partial() = %v", request[:i+1], c.Partial())
		}
	}
	if c.Started() != 1 {
		t.Errorf("Started() = %d after one request in pieces, want 1", c.Started())
	}
	_, _ = s.Feed(&c, request, nil)
	if c.Started() != 1 || c.Partial() {
		t.Errorf("a whole request was kept: Started() = %d, Partial() = %v", c.Started(), c.Partial())
	}
	// One whole, one begun: the read timeout counts anew.
	_, _ = s.Feed(&c, append(bytes.Clone(request), "GET"...), nil)
	if c.Started() != 2 || !c.Partial() {
		t.Errorf("a second request has begun: Started() = %d, Partial() = %v", c.Started(), c.Partial())
	}
}

func TestDraining(t *testing.T) {
	const get = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	closing := strings.Replace(ok("ok"), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	s := newServer(servers.HTTP, 1024, 1024)
	s.Drain()
	for _, test := range []struct {
		reason, in, want string
		closed           bool
	}{
		{"the next answer is the last", get, closing, true},
		{"requests that have been read are all answered", get + get + get, ok("ok") + ok("ok") + closing, true},
		{"so is one that has been read in part, once it is whole", get + get[:9], ok("ok"), false},
	} {
		out, closed := feedAll(s, []byte(test.in))
		if diff := cmp.Diff(test.want, string(out)); diff != "" || closed != test.closed {
			t.Errorf("%s: closed = %v, want %v; answers (-want +got):\n%s", test.reason, closed, test.closed, diff)
		}
	}
	e := newServer(servers.Echo, 0, 0)
	e.Drain()
	if out, closed := feedAll(e, []byte("abc")); string(out) != "abc" || !closed {
		t.Errorf("echo: %q, closed = %v; want abc and closed", out, closed)
	}
}

// A body is not allocated before it comes: a thousand peers that announce four megabytes each must
// cost nothing.
func TestAnnouncedBodyTakesNoMemory(t *testing.T) {
	s := newServer(servers.HTTP, 1024, 4<<20)
	var c Conn
	_, _ = s.Feed(&c, []byte("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\nx"), nil)
	if got := cap(c.p.body); got > keepBody {
		t.Errorf("one byte of a body takes %d bytes", got)
	}
	_, _ = feedAll(s, []byte("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\nx"))
}

func TestHeadLimits(t *testing.T) {
	const limit = 256
	s := newServer(servers.HTTP, limit, 1024)
	request := func(n int) []byte { // a request whose header block has n bytes
		const fixed = "GET /healthz HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n"
		return []byte(strings.Replace(fixed, "X: ", "X: "+strings.Repeat("x", n-len(fixed)), 1))
	}
	for _, test := range []struct {
		reason string
		in     []byte
		want   string
	}{
		{"as long as the limit", request(limit), "200"},
		{"one byte more", request(limit + 1), "431"},
		{"no end in sight", bytes.Repeat([]byte("x"), limit+1), "431"},
		{"an empty line before it counts", append([]byte("\r\n"), request(limit-1)...), "431"},
	} {
		for name, pieces := range map[string][][]byte{"whole": {test.in}, "bytewise": bytewise(test.in)} {
			out, _ := feedAll(s, pieces...)
			if got := string(out[9:12]); got != test.want {
				t.Errorf("%s, %s: status %s, want %s", test.reason, name, got, test.want)
			}
		}
	}
}

func TestChunked(t *testing.T) {
	const maxBody, maxExtra = 64, 32
	for _, test := range []struct {
		reason, in string
		body, rest string
		status     int
	}{
		{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
		{"several, sizes in both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", "", 0},
		{"nothing", "0\r\n\r\nGET", "", "GET", 0},
		{"extensions are dropped", "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello", "", 0},
		{"space before an extension is allowed", "5 ;a\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
		{"trailers are dropped", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nrest", "x", "rest", 0},
		{"leading zeros", "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
		{"as large as the limit", "40\r\n" + strings.Repeat("x", 64) + "\r\n0\r\n\r\n", strings.Repeat("x", 64), "", 0},

		{"one byte over the limit", "41\r\n", "", "", 413},
		{"over the limit in two chunks", "40\r\n" + strings.Repeat("x", 64) + "\r\n1\r\n", "", "", 413},
		{"a size that overflows 64 bits", "10000000000000000\r\n", "", "", 413},
		{"too many digits, all zero", "00000000000000000\r\n", "", "", 400},
		{"no size", "\r\nhello", "", "", 400},
		{"a sign", "+5\r\nhello", "", "", 400},
		{"0x", "0x5\r\nhello", "", "", 400},
		{"a bare line feed after the size", "5\nhello", "", "", 400},
		{"a bare line feed after the data", "5\r\nhello\n0\r\n\r\n", "", "", 400},
		{"data longer than said", "5\r\nhello!\r\n", "", "", 400},
		{"a bare carriage return in an extension", "5;a\rb\r\nhello", "", "", 400},
		{"too much extension", "5;" + strings.Repeat("a", 40), "", "", 400},
		{"a bare line feed in a trailer", "0\r\nA: b\n\r\n", "", "", 400},
		{"a trailer without a name", "0\r\n: b\r\n\r\n", "", "", 400},
		{"a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", "", "", 400},
		{"too many trailers", "0\r\n" + strings.Repeat("A: b\r\n", 10), "", "", 431},
	} {
		for name, pieces := range map[string][][]byte{"whole": {[]byte(test.in)}, "bytewise": bytewise([]byte(test.in))} {
			body, rest, done, status := decode(pieces, maxBody, maxExtra)
			if status != test.status || done != (status == 0) {
				t.Errorf("%s, %s: done = %v, status %d, want %d", test.reason, name, done, status, test.status)
			} else if done && (string(body) != test.body || string(rest) != test.rest) {
				t.Errorf("%s, %s: body %q, rest %q, want %q and %q", test.reason, name, body, rest, test.body, test.rest)
			}
		}
	}
}

// decode feeds pieces to a new decoder. What follows the body is returned from all of them.
func decode(pieces [][]byte, maxBody, maxExtra int) (body, rest []byte, done bool, status int) {
	var d chunked
	for i, p := range pieces {
		var r []byte
		r, body, done, status = d.feed(p, body, maxBody, maxExtra)
		if done {
			rest = append(rest, r...)
			return body, append(rest, bytes.Join(pieces[i+1:], nil)...), true, 0
		}
		if status != 0 {
			return body, nil, false, status
		}
	}
	return body, nil, false, 0
}

// FuzzFeed checks what a model relies on: however the bytes are split, the same answers come back.
func FuzzFeed(f *testing.F) {
	for _, seed := range []string{
		"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n",
		"\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloHEAD /plaintext HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nokPUT /echo HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 999\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
		"GET http://h/plaintext?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		"GET /plaintext HTTP/1.1\nHost: h\n\n",
		"GET /wait?ms=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /block?ms=1 HTTP/1.0\r\n\r\n",
		"GET /wait?ms=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /wa",
	} {
		f.Add([]byte(seed), uint8(7), false)
		f.Add([]byte(seed), uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8, drain bool) {
		const headerBytes, bodyBytes = 200, 300
		s := newServer(servers.HTTP, headerBytes, bodyBytes)
		whole, wholeClosed := feedAll(s, in)

		var pieces [][]byte
		for rest := in; len(rest) > 0; {
			n := min(int(step)%11+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		split, splitClosed := feedAll(s, pieces...)
		single, singleClosed := feedAll(s, bytewise(in)...)

		if !bytes.Equal(whole, split) || wholeClosed != splitClosed {
			t.Errorf("in pieces of %d: closed = %v, %q\nwhole: closed = %v, %q", int(step)%11+1, splitClosed, split, wholeClosed, whole)
		}
		if !bytes.Equal(whole, single) || wholeClosed != singleClosed {
			t.Errorf("bytewise: closed = %v, %q\nwhole: closed = %v, %q", singleClosed, single, wholeClosed, whole)
		}

		// The limits bound what is kept between two calls, for any input.
		if drain {
			s.Drain()
		}
		var c Conn
		for _, p := range pieces {
			_, next := s.Feed(&c, p, nil)
			if next == Close {
				break
			}
			for next == Later {
				_, next = s.Resume(&c, nil)
			}
			if next == Close {
				break
			}
			if c.p != nil && (len(c.p.buf) > headerBytes+1 || len(c.p.body) > bodyBytes) {
				t.Fatalf("%d bytes of header and %d of body are kept", len(c.p.buf), len(c.p.body))
			}
		}
	})
}

// FuzzChunked compares the decoder with the standard library's, which takes more than the grammar
// allows: where both take something, it must be the same.
func FuzzChunked(f *testing.F) {
	for _, seed := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n", "00\r\n\r\n", "1\r\nx\r\n1\r\ny\r\n0\r\n\r\nrest",
		"5\nhello\n0\n\n", "ffffffffffffffff\r\n", "5 \r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		const maxBody, maxExtra = 1 << 10, 1 << 10
		body, rest, done, status := decode([][]byte{in}, maxBody, maxExtra)
		n := min(int(step), len(in))
		body2, rest2, done2, status2 := decode([][]byte{in[:n], in[n:]}, maxBody, maxExtra)
		if done != done2 || status != status2 || done && (!bytes.Equal(body, body2) || !bytes.Equal(rest, rest2)) {
			t.Errorf("split at %d: %v %d %q %q, whole: %v %d %q %q", n, done2, status2, body2, rest2, done, status, body, rest)
		}
		if len(body) > maxBody {
			t.Errorf("a body of %d bytes", len(body))
		}
		if !done {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if err == nil && !bytes.Equal(body, want) {
			t.Errorf("decoded %q, the standard library %q", body, want)
		}
	})
}

func BenchmarkFeed(b *testing.B) {
	get := "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\n\r\n"
	post := "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
	for _, bench := range []struct {
		name, protocol string
		pieces         []string
	}{
		{"echo", servers.Echo, []string{"0123456789abcdef"}},
		{"get", servers.HTTP, []string{get}},
		{"post", servers.HTTP, []string{post}},
		{"pipelined16", servers.HTTP, []string{strings.Repeat(get, 16)}},
		{"split", servers.HTTP, []string{post[:20], post[20:70], post[70:]}},
		{"chunked", servers.HTTP, []string{"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"}},
		{"notfound", servers.HTTP, []string{"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := newServer(bench.protocol, servers.DefaultHeaderBytes, servers.DefaultBodyBytes)
			var pieces [][]byte
			for _, p := range bench.pieces {
				pieces = append(pieces, []byte(p))
			}
			out := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				var c Conn
				for _, p := range pieces {
					if _, next := s.Feed(&c, p, out); next != Keep {
						b.Fatal("closed")
					}
				}
			}
		})
	}
}

// TestFeedDoesNotAllocate guards what BenchmarkFeed shows.
func TestFeedDoesNotAllocate(t *testing.T) {
	s := newServer(servers.HTTP, servers.DefaultHeaderBytes, servers.DefaultBodyBytes)
	in := []byte("GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /no HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
	out := make([]byte, 0, 4096)
	// The pools may be emptied by the garbage collector at any time, so the mean is what counts.
	if n := testing.AllocsPerRun(1000, func() {
		var c Conn // as an event loop has it: it must not escape to the heap
		_, _ = s.Feed(&c, in, out)
		_, _ = s.Feed(&c, in[:100], out)
		_, _ = s.Feed(&c, in[100:], out)
	}); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations a run, want 0", n)
	}
}

// later is a request whose answer is waited for.
func later(path string, ms int) string {
	return fmt.Sprintf("GET /%s?ms=%d HTTP/1.1\r\nHost: h\r\n\r\n", path, ms)
}

const ping = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"

func TestLater(t *testing.T) {
	wait := func(ms int) app.Delay { return app.Delay{Kind: app.Wait, Time: time.Duration(ms) * time.Millisecond} }
	block := func(ms int) app.Delay { return app.Delay{Kind: app.Block, Time: time.Duration(ms) * time.Millisecond} }
	closing := strings.Replace(ok("done"), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	head, _, _ := strings.Cut(ok("done"), "done")
	type step struct {
		reply string
		delay app.Delay // before the next step; none: the last
	}
	for _, test := range []struct {
		reason, in string
		steps      []step
		next       Next
	}{
		{"alone", later("wait", 5), []step{{"", wait(5)}, {ok("done"), app.Delay{}}}, Keep},
		{"blocking", later("block", 6), []step{{"", block(6)}, {ok("done"), app.Delay{}}}, Keep},
		{"what is ready goes before it", ping + ping + later("wait", 5), []step{{ok("ok") + ok("ok"), wait(5)}, {ok("done"), app.Delay{}}}, Keep},
		{"what follows waits", later("wait", 5) + ping + ping, []step{{"", wait(5)}, {ok("done") + ok("ok") + ok("ok"), app.Delay{}}}, Keep},
		{"one after the other", later("wait", 5) + later("block", 6) + ping + later("wait", 7),
			[]step{{"", wait(5)}, {ok("done"), block(6)}, {ok("done") + ok("ok"), wait(7)}, {ok("done"), app.Delay{}}}, Keep},
		{"with a body, which is read over", "GET /wait?ms=5 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + ping,
			[]step{{"", wait(5)}, {ok("done") + ok("ok"), app.Delay{}}}, Keep},
		{"HEAD waits too", "HEAD /wait?ms=5 HTTP/1.1\r\nHost: h\r\n\r\n", []step{{"", wait(5)}, {head, app.Delay{}}}, Keep},
		{"the client's last", "GET /wait?ms=5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + ping, []step{{"", wait(5)}, {closing, app.Delay{}}}, Close},
		{"nothing to wait for", later("wait", 0) + ping, []step{{ok("done") + ok("ok"), app.Delay{}}}, Keep},
	} {
		for name, pieces := range map[string][][]byte{"whole": {[]byte(test.in)}, "bytewise": bytewise([]byte(test.in))} {
			s := newServer(servers.HTTP, 1024, 1024)
			var c Conn
			var steps []step
			var next Next
			took := ""
			for _, p := range pieces {
				var reply []byte
				reply, next = s.Feed(&c, p, nil)
				if took += string(reply); next == Close {
					break
				}
				if (next == Later) != c.Waiting() || c.Waiting() && c.Partial() {
					t.Fatalf("%s, %s: next %d, waiting %v, partial %v", test.reason, name, next, c.Waiting(), c.Partial())
				}
			}
			for next == Later {
				steps = append(steps, step{took, c.Delay()})
				var reply []byte
				reply, next = s.Resume(&c, nil)
				took = string(reply)
			}
			steps = append(steps, step{reply: took})
			if diff := cmp.Diff(test.steps, steps, cmp.AllowUnexported(step{})); diff != "" || next != test.next {
				t.Errorf("%s, %s: next %d, want %d; steps (-want +got):\n%s", test.reason, name, next, test.next, diff)
			}
			if c.Partial() || c.Waiting() || c.Kept() > 0 {
				t.Errorf("%s, %s: something is kept", test.reason, name)
			}
		}
	}
}

// The end of the connection is decided when the answer is sent, not when it is asked for.
func TestLaterWhileDraining(t *testing.T) {
	closing := func(body string) string {
		return strings.Replace(ok(body), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	}
	for _, test := range []struct {
		reason, in, want string
		next             Next
	}{
		{"the last answer", later("wait", 5), closing("done"), Close},
		{"requests that have been read are all answered", later("wait", 5) + ping, ok("done") + closing("ok"), Close},
		{"so is one that has been read in part, once it is whole", later("wait", 5) + ping[:9], ok("done"), Keep},
	} {
		s := newServer(servers.HTTP, 1024, 1024)
		var c Conn
		if _, next := s.Feed(&c, []byte(test.in), nil); next != Later {
			t.Fatalf("%s: next %d, want Later", test.reason, next)
		}
		s.Drain()
		out, next := s.Resume(&c, nil)
		if diff := cmp.Diff(test.want, string(out)); diff != "" || next != test.next {
			t.Errorf("%s: next %d, want %d; answers (-want +got):\n%s", test.reason, next, test.next, diff)
		}
	}
}

// A connection may end while an answer is waited for.
func TestReleaseWhileWaiting(t *testing.T) {
	s := newServer(servers.HTTP, 1024, 1024)
	var c Conn
	_, _ = s.Feed(&c, []byte(later("wait", 5)+ping), nil)
	if got, want := c.Kept(), len(ping); got != want {
		t.Errorf("%d bytes are kept, want %d", got, want)
	}
	s.Release(&c)
	if c != (Conn{started: c.started}) {
		t.Errorf("%+v is not empty", c)
	}
}

// tape is a Blocker that notes what is asked of it.
type tape struct {
	strings.Builder
	lostAfter int // sends
}

func (t *tape) Send(b []byte) bool {
	t.WriteString("send " + string(b) + "\n")
	t.lostAfter--
	return t.lostAfter != 0
}

func (t *tape) Receive([]byte) int   { return 0 }
func (t *tape) Wait(d time.Duration) { fmt.Fprintln(t, "wait", d) }

func TestExchange(t *testing.T) {
	s := newServer(servers.HTTP, 1024, 1024)
	in := []byte(ping + later("wait", 5) + later("wait", 0) + later("block", 1) + ping)
	want := "send " + ok("ok") + "\nwait 5ms\nsend " + ok("done") + ok("done") + "\nsend " + ok("done") + ok("ok") + "\n"
	var c Conn
	var b tape
	if _, next, ok := s.exchange(&c, &b, in, nil); next != Keep || !ok {
		t.Errorf("next %d, ok %v; want Keep and true", next, ok)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error("(-want +got)", diff)
	}
	b = tape{lostAfter: 2}
	if _, _, ok := s.exchange(&c, &b, in, nil); ok {
		t.Error("a lost connection is still served")
	}
	if diff := cmp.Diff(want[:strings.LastIndex(want, "send")], b.String()); diff != "" {
		t.Error("after the second send the connection is lost (-want +got)", diff)
	}
}

// sender is a Blocker that receives reads of given lengths, and notes the buffers that it was
// given.
type sender struct {
	tape
	reads   []int
	buffers []int
}

func (s *sender) Receive(buf []byte) int {
	s.buffers = append(s.buffers, len(buf))
	if len(s.reads) == 0 {
		return 0
	}
	n := s.reads[0]
	s.reads = s.reads[1:]
	return n
}

func TestServeReadsMoreWhereMoreComes(t *testing.T) {
	for _, test := range []struct {
		reason  string
		reads   []int
		buffers []int
	}{
		{"small reads", []int{1, 99}, []int{100, 100, 100}},
		{"a read that fills the buffer: more is on its way", []int{100, 5}, []int{100, bulkSize, 100}},
		{"large reads", []int{100, 101, bulkSize, bulkSize, 100}, []int{100, bulkSize, bulkSize, bulkSize, bulkSize, 100}},
	} {
		b := sender{reads: test.reads}
		if newServer(servers.Echo, 1024, 1024).Serve(&Conn{}, &b, make([]byte, 100)) {
			t.Errorf("%s: reported as answered: the client has ended the connection", test.reason)
		}
		if diff := cmp.Diff(test.buffers, b.buffers); diff != "" {
			t.Errorf("%s: buffers (-want +got) %s", test.reason, diff)
		}
	}
}

// divided is a counter whose workers have cells of their own.
type divided struct{ cells []*cell }

func (d *divided) Divided() bool { return true }
func (d *divided) Cell() servers.Cell {
	c := &cell{all: d}
	d.cells = append(d.cells, c)
	return c
}

type cell struct {
	all      *divided
	n        int64
	released bool
}

func (c *cell) Add() error { c.n++; return nil }
func (c *cell) Release()   { c.released = true }
func (c *cell) Value() (n int64, err error) {
	for _, other := range c.all.cells {
		n += other.n
	}
	return n, nil
}

// Loops of one process have one interpreter lock, and each of them is one thread, whichever
// connection it serves.
func TestLoopsShareTheInterpreterLock(t *testing.T) {
	cfg := servers.Config{Protocol: servers.Echo, GIL: time.Millisecond}
	first := NewLoop(cfg, nil)
	second := NewLoop(cfg, first)
	if first.gil == nil || second.gil != first.gil || first.thread == 0 || first.thread == second.thread {
		t.Errorf("locks %p and %p, threads %d and %d", first.gil, second.gil, first.thread, second.thread)
	}
	if other := NewLoop(cfg, nil); other.gil == first.gil {
		t.Error("two that are not of one process share a lock")
	}
}

func TestCells(t *testing.T) {
	post := []byte("POST /counter HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, test := range []struct {
		reason string
		make   func(servers.Config) *Server
		cells  int
	}{
		{"each connection is a worker and has its own", New, 3},
		{"a loop is a worker, which has one", func(cfg servers.Config) *Server { return NewLoop(cfg, nil) }, 1},
	} {
		d := new(divided)
		s := test.make(servers.Config{Protocol: servers.HTTP, Limits: servers.Limits{HeaderBytes: 1024, BodyBytes: 1024}, Counter: d})
		conns := make([]Conn, 3)
		for range 2 {
			for i := range conns {
				_, _ = s.Feed(&conns[i], post, nil)
			}
		}
		if len(d.cells) != test.cells {
			t.Errorf("%s: %d cells, want %d", test.reason, len(d.cells), test.cells)
		}
		for i := range conns {
			s.Release(&conns[i])
		}
		for i, c := range d.cells {
			if own := test.cells > 1; c.released != own || own && c.n != 2 {
				t.Errorf("%s: cell %d: %d, released %v", test.reason, i, c.n, c.released)
			}
		}
	}
}
