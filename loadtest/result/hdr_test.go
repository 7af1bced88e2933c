package result

import "testing"

func TestHDRFile(t *testing.T) {
	k := Key{Model: "thread", Protocol: "http", Workload: "plaintext", Clients: 100, Loop: Closed}
	slow, odd := k, k
	slow.Loop, slow.Rate, slow.Setting = Open, "1/s per client", "active 1%"
	odd.Model, odd.Workload = `../a b`, "echo+1%block-100ms"
	for _, tt := range []struct {
		why  string
		key  Key
		want string
	}{
		{"as published runs have it", k, "thread-http-plaintext-100-closed-3.hlog"},
		{"a rate and a setting are other cells", slow, "thread-http-plaintext-100-open-1_s_per_client-active_1%-3.hlog"},
		{"a name stays in its folder", odd, ".._a_b-http-echo+1%block-100ms-100-closed-3.hlog"},
	} {
		if got := HDRFile(tt.key, 3); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.why, got, tt.want)
		}
	}
}
