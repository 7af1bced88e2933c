package servers

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	good := Config{Protocol: HTTP, Addr: "127.0.0.1:8080"}
	if err := good.Check(); err != nil {
		t.Errorf("zero values are the defaults: %v", err)
	}
	if err := good.WithDefaults().Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	bad := Config{Protocol: "x", Addr: "y", MaxConns: -1, DrainTimeout: time.Minute, Spawn: "z", GIL: time.Second}
	err := bad.Check()
	if err == nil {
		t.Fatal("nothing is wrong with", bad)
	}
	for _, want := range []string{"protocol x", "addr y", "max-conns -1", "drain-timeout 1m0s", "spawn z", "gil 1s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("all mistakes are reported at once, but not %s: %v", want, err)
		}
	}
	for _, big := range []Config{
		{Limits: Limits{HeaderBytes: math.MaxInt}}, {Limits: Limits{BodyBytes: math.MaxInt}}, {Workers: 1_000_000}, {Offload: 10_000},
	} {
		big.Protocol, big.Addr = HTTP, good.Addr
		if err := big.Check(); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%+v: %v, want what is allowed at most", big, err)
		}
	}
	for addr, ok := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:65535": true, "localhost:8080": true, ":8080": true,
		"127.0.0.1": false, "127.0.0.1:": false, "127.0.0.1:65536": false, "127.0.0.1:0": false, "::1:80": false,
	} {
		c := good
		c.Addr = addr
		if err := c.Check(); (err == nil) != ok {
			t.Errorf("address %q: %v", addr, err)
		}
	}
}

func TestOrder(t *testing.T) {
	if Ordered() {
		t.Fatal("this test was started by a master")
	}
	want := Order{Model: "process", LogLevel: "warn", Config: Config{
		Protocol: Echo, Addr: "127.0.0.1:8080", Limits: Limits{BodyBytes: 7}, GIL: time.Millisecond, Faults: true, CounterName: "shm",
	}}
	line, err := want.Env()
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(line, "=")
	t.Setenv(name, value)
	got, ok, err := ReadOrder()
	if err != nil || !ok || !Ordered() || got.Model != want.Model || got.LogLevel != want.LogLevel ||
		got.Config.Protocol != Echo || got.Config.Limits != want.Config.Limits || got.Config.GIL != time.Millisecond ||
		!got.Config.Faults || got.Config.CounterName != "shm" {
		t.Errorf("read %+v (%v, %v), want %+v", got, ok, err, want)
	}
	t.Setenv(name, "{")
	if _, ok, err := ReadOrder(); !ok || err == nil {
		t.Errorf("nonsense is read as an order: %v, %v", ok, err)
	}
}
