package launch

import (
	"errors"
	"os"
	"syscall"
)

// Terminate sends SIGTERM to the leader and does not wait. Stop does all of it;
// this is for who wants to watch the end.
func (s *Server) Terminate() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// ExitError says how the leader ended: nil with status 0. It waits for the end.
func (s *Server) ExitError() error {
	<-s.done
	return exitError(s.err)
}
