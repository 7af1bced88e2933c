package host

import (
	"strconv"
	"strings"
)

// SocketObjects are the sizes of the objects that the kernel allocates for an open TCP
// socket, in bytes, by slab cache: the socket itself, its inode, its file and the
// file's name. The memory of its queues is not included.
type SocketObjects map[string]int64

// usualObjects are the sizes on Linux 6.18, x86-64, from its /proc/slabinfo. They are
// used if only root may read that file.
var usualObjects = SocketObjects{"TCP": 2368, "TCPv6": 2496, "sock_inode_cache": 832, "filp": 192, "dentry": 192}

// ReadSocketObjects reads the sizes on this machine. root is the root of the proc file
// system.
func ReadSocketObjects(root string) SocketObjects { return parseSlabs(readText(root, "slabinfo")) }

// parseSlabs reads the sizes from a /proc/slabinfo. A cache that is missing, because
// the kernel has merged it with another, gets the usual size.
func parseSlabs(slabinfo string) SocketObjects {
	sizes := SocketObjects{}
	for name, size := range usualObjects {
		sizes[name] = size
	}
	for line := range strings.Lines(slabinfo) {
		f := strings.Fields(line) // name, active objects, objects, size of one, …
		if len(f) < 4 || usualObjects[f[0]] == 0 {
			continue
		}
		if n, err := strconv.ParseInt(f[3], 10, 64); err == nil && n > 0 {
			sizes[f[0]] = n
		}
	}
	return sizes
}

// Bytes returns the kernel's memory for sockets: their objects and their queues.
func (o SocketObjects) Bytes(s Sockets) int64 {
	n := int64(len(s.Listening) + len(s.Established))
	v6 := int64(s.IPv6)
	return (n-v6)*o["TCP"] + v6*o["TCPv6"] + n*(o["sock_inode_cache"]+o["filp"]+o["dentry"]) + s.QueuedBytes
}
