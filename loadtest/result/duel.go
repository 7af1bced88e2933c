package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// DuelFile is the record of a duel, in a folder of its own.
const DuelFile = "duel.json"

// DuelSchema is the version of that record.
const DuelSchema = 1

// A Duel is two servers that were driven in turns, several times, each time as fresh
// processes.
type Duel struct {
	Schema  int       `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero if it did not come to its end
	// Failure is why not.
	Failure string `json:"failure,omitempty"`
	Host    Host   `json:"host"`
	Build   Build  `json:"build"`

	CPUs     CPUs    `json:"cpus"`
	Seed     uint64  `json:"seed"` // of the order in which the servers are started
	Protocol string  `json:"protocol"`
	Workload string  `json:"workload"`
	Request  Request `json:"request"`
	Clients  int     `json:"clients"` // of each server
	Shards   int     `json:"shards"`  // that share them
	// Sides are A and B. With Floor they follow a second time: the same servers,
	// other processes.
	Sides []DuelSide `json:"sides"`
	Floor bool       `json:"floor,omitempty"`

	Asked     int     `json:"pairs_asked"`
	TurnSec   float64 `json:"turn_sec"`   // measured
	WarmupSec float64 `json:"warmup_sec"` // before each turn, unmeasured
	// ClosedSec is how long each server was measured of a pair in the closed loop,
	// OpenSec in the open loop.
	ClosedSec float64 `json:"closed_sec"`
	OpenSec   float64 `json:"open_sec,omitempty"`
	// RateRPS is the rate of the open loop, the same for all servers.
	RateRPS float64 `json:"rate_rps,omitempty"`

	Pairs []DuelPair `json:"pairs"`
}

// A DuelSide is one of the servers of a duel.
type DuelSide struct {
	Name string   `json:"name"`
	Argv []string `json:"argv"` // with {addr} as it was given
}

// A DuelPair is one set of fresh servers.
type DuelPair struct {
	Number  int         `json:"number"` // from 1
	Started time.Time   `json:"started"`
	Slices  []DuelSlice `json:"slices"` // in the order in which they were measured
	// Failure is why the pair ended early. Such a pair does not count.
	Failure string   `json:"failure,omitempty"`
	Notes   []string `json:"notes,omitempty"` // what else was found
}

// A DuelSlice is one turn of one server.
type DuelSlice struct {
	Side int `json:"side"` // number in Duel.Sides
	// Pass counts the times that each server had a turn, from 0, in each loop anew.
	// Slices of one pass are neighbours in time.
	Pass      int     `json:"pass"`
	Loop      string  `json:"loop"`
	AtSec     float64 `json:"at_sec"` // since the start of the pair
	LengthSec float64 `json:"length_sec"`
	Answers   int64   `json:"answers"`
	// ServerCPUSec is what the processes of the server used; 0 if it is not known.
	ServerCPUSec    float64 `json:"server_cpu_sec,omitempty"`
	GeneratorCPUSec float64 `json:"generator_cpu_sec"`
	Unsent          int64   `json:"unsent,omitempty"` // due, and not sent (open loop)
	// P50Sec is the median latency: a service time in the closed loop, a response time
	// in the open one.
	P50Sec float64 `json:"p50_sec,omitempty"`
	// P99Sec is of this slice and of those of its server before it, back to the last
	// that has one: as many as it takes for 1,000 answers of every server.
	P99Sec float64 `json:"p99_sec,omitempty"`
}

// WriteDuel replaces the record of a duel in the folder dir, whole or not at all. It
// makes the folder.
func WriteDuel(dir string, d *Duel) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write duel: %w", err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("write duel: %w", err)
	}
	return WriteFile(filepath.Join(dir, DuelFile), append(b, '\n'))
}

// LoadDuel reads the record of a duel from its folder.
func LoadDuel(dir string) (*Duel, error) {
	file := filepath.Join(dir, DuelFile)
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read duel: %w", err)
	}
	var d Duel
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if err := d.mistake(); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return &d, nil
}

func (d *Duel) mistake() error {
	if d.Schema != DuelSchema {
		return fmt.Errorf("schema %d, this program knows %d", d.Schema, DuelSchema)
	}
	if want := 2; len(d.Sides) != want && !(d.Floor && len(d.Sides) == 2*want) {
		return fmt.Errorf("%d sides; allowed: 2, or 4 with a floor", len(d.Sides))
	}
	for _, p := range d.Pairs {
		for _, s := range p.Slices {
			if s.Side < 0 || s.Side >= len(d.Sides) {
				return errors.New("a slice is of no side")
			}
		}
	}
	return nil
}
