package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Place is where a harness makes boxes: below its own control groups, so that what limits
// the harness limits its boxes too.
type Place struct {
	owner owner
	v2    bool
	// homes are the directories that boxes are made in, by controller; "" of version 2.
	homes map[string]string
	// leaf is where the harness has moved itself, as version 2 does not let a control group have
	// both processes and children with limits; empty if it did not have to.
	leaf string
}

// made is how many boxes this process has made. Several harnesses in it must not take the
// same name.
var made atomic.Int64

// The controllers that a box needs.
var controllers = []string{"memory", "cpu"}

// Open finds where boxes can be made and removes the control groups that harnesses left when
// they were killed, with the processes in them. The error says why no box can be made here.
// The Place is closed by its owner.
func Open() (*Place, error) {
	us, err := self()
	if err != nil {
		return nil, fmt.Errorf("find this process: %w", err)
	}
	own := host.OwnCgroups(procRoot)
	p := &Place{owner: us, homes: map[string]string{}}
	swept := map[string]bool{}
	for i, controller := range controllers {
		g, ok := own.Of(controller)
		switch {
		case !ok:
			return nil, errors.New("no control groups are mounted")
		case i > 0 && g.V2 != p.v2:
			return nil, errors.New("one of the controllers memory and cpu is of version 1, the other of version 2")
		}
		p.v2 = g.V2
		key := controller
		if p.v2 {
			key = ""
		}
		p.homes[key] = g.Dir()
		if !swept[g.Mount] {
			swept[g.Mount] = true
			if err := sweep(g.Mount, us); err != nil {
				return nil, err
			}
		}
	}
	if p.v2 {
		return p, p.prepareV2()
	}
	for controller, home := range p.homes {
		if err := unix.Access(home, unix.W_OK); err != nil {
			return nil, fmt.Errorf("no control group can be made in %s (%s): %w", home, controller, err)
		}
	}
	return p, nil
}

// prepareV2 has the controllers work for the children of the harness's control group.
func (p *Place) prepareV2() error {
	home := p.homes[""]
	there, err := cgroups.ReadFile(home, "cgroup.controllers")
	if err != nil {
		return err
	}
	for _, c := range controllers {
		if !slices.Contains(strings.Fields(there), c) {
			return fmt.Errorf("the control group %s does not have the controller %s; systemd delegates it with Delegate=yes", home, c)
		}
	}
	if err := unix.Access(home, unix.W_OK); err != nil {
		return fmt.Errorf("the control group %s is not this user's (%w); get one with: systemd-run --user --scope -p Delegate=yes tierbench …", home, err)
	}
	if enable(home, "+") == nil { // it is the root, or another process has moved everybody out of it
		return nil
	}
	leaf := filepath.Join(home, p.owner.name("self"))
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	if err := cgroups.WriteCgroupProc(leaf, p.owner.pid); err != nil {
		return errors.Join(err, cgroups.RemovePath(leaf))
	}
	if err := enable(home, "+"); err != nil {
		err = fmt.Errorf("other processes are in the control group %s of this one (%w); get one of its own with: systemd-run --user --scope -p Delegate=yes tierbench …", home, err)
		return errors.Join(err, cgroups.WriteCgroupProc(home, p.owner.pid), cgroups.RemovePath(leaf))
	}
	p.leaf = leaf
	return nil
}

// enable has the controllers work for the children of a control group ("+") or not ("-").
func enable(dir, sign string) error {
	return cgroups.WriteFile(dir, "cgroup.subtree_control", sign+strings.Join(controllers, " "+sign))
}

// Close moves the harness back to where it was. All boxes must have been removed.
func (p *Place) Close() error {
	if p.leaf == "" {
		return nil
	}
	home := p.homes[""]
	if err := errors.Join(enable(home, "-"), cgroups.WriteCgroupProc(home, p.owner.pid)); err != nil {
		return fmt.Errorf("leave the control group %s: %w", p.leaf, err)
	}
	return cgroups.RemovePath(p.leaf)
}

// Create makes a box. It is removed by its owner.
func (p *Place) Create(l result.Limits) (*Box, error) {
	name := p.owner.name(strconv.FormatInt(made.Add(1), 10))
	b := &Box{limits: l, dirs: map[string]string{}, homes: p.homes, v2: p.v2}
	for controller, home := range p.homes {
		b.dirs[controller] = filepath.Join(home, name)
	}
	if err := b.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("make a control group: %w", err), b.Remove())
	}
	return b, nil
}

// sweep removes the control groups below mount whose harness does not run any more.
func sweep(mount string, us owner) error {
	return filepath.WalkDir(mount, func(dir string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			return nil // it has gone, or is none of ours
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		}
		o, ours := parseName(e.Name())
		if !ours {
			return nil
		}
		if !o.alive(us) {
			if err := remove(dir); err != nil {
				return fmt.Errorf("remove the control group %s, left by a harness that was killed: %w", dir, err)
			}
		}
		return fs.SkipDir
	})
}
