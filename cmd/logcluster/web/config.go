package web

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Config is the web server: metrics, health and the live page.
type Config struct {
	// Listen is the address of the one listener, host:port. The default is
	// reachable from this machine only: the page names people and what they
	// did and asks for no password. In a cluster, set ":8080" and let a
	// network policy or an authenticating proxy decide who may read it. Port 0
	// takes a free one.
	Listen string `yaml:"listen"`
	// TokenFile holds the token that whoever decides (verdicts, suppressions) must
	// send, as "Authorization: Bearer …". It is read again for each decision. Empty
	// allows decisions from this machine only, which includes kubectl
	// port-forward; reading is allowed to everybody who reaches the page.
	TokenFile string `yaml:"token_file"`
	// Pprof serves /debug/pprof: profiles and the command line of the process.
	// They tell much about it and cost it time: off by default.
	Pprof bool `yaml:"pprof"`
	// Refresh is how often the page asks for the list again, 1s to 1h.
	Refresh time.Duration `yaml:"refresh"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Listen: "127.0.0.1:8080", Refresh: 3 * time.Second}
}

// Validate reports everything that is wrong with the configuration, each
// error beginning with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if _, port, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen: %q is not host:port such as 127.0.0.1:8080", c.Listen))
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		errs = append(errs, fmt.Errorf("listen: %q is not a port", port))
	}
	if c.Refresh < time.Second || c.Refresh > time.Hour {
		errs = append(errs, fmt.Errorf("refresh: %s is not between 1s and 1h", c.Refresh))
	}
	return errors.Join(errs...)
}
