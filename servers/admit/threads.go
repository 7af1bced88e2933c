package admit

import "runtime/debug"

// goMaxThreads is the number of threads at which Go's runtime ends the process, unless it is told
// otherwise.
const goMaxThreads = 10_000

// AllowThreads lets this process have n threads. There is no way back: the runtime keeps threads
// that once were needed, and would end a process that has more of them than a lower limit.
func AllowThreads(n int) { debug.SetMaxThreads(max(goMaxThreads, n)) }
