package launch

import (
	"errors"
	"os"
	"syscall"
)

// Terminate sends SIGTERM to the leader and does not wait. It is for callers that watch
// how the server ends; the others use Stop.
func (s *Server) Terminate() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// ExitError waits for the leader to end. It returns nil if its exit status was 0.
func (s *Server) ExitError() error {
	<-s.done
	return exitError(s.err)
}
