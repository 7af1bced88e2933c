package launch

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/tierbench/tierbench/loadtest/host"
)

// freePort picks a port that is not in use. It chooses one below the range of ephemeral
// ports: a client that happened to get the port would keep the server, or the next one,
// from binding it.
func freePort(ip string) (int, error) {
	low := host.ReadCapacity("/proc").PortLow
	if low <= 2048 {
		low = 32768
	}
	for range 100 {
		port := 1024 + low/4 + rand.IntN(low-low/4-1024)
		if free(ip, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port found on %s below %d", ip, low)
}

func free(ip string, port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}
