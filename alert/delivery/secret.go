package delivery

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// masked stands for a secret wherever one is printed.
const masked = "<secret>"

// Secret is text that is never printed: as a string, in a log, in YAML and in
// JSON it shows as "<secret>", or as nothing when it is empty.
type Secret string

// String returns the mask.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString returns the mask, for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText returns the mask, for JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret as it is, from YAML.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// MarshalYAML returns the mask.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// SecretSource says where a secret is: at most one of its fields is set. The
// secret itself is never part of the configuration. It is read again for every
// request, so that a rotated one is picked up.
type SecretSource struct {
	// File holds the secret; white space around it is removed.
	File string `yaml:"file,omitempty"`
	// Env is the name of the environment variable that holds the secret.
	Env string `yaml:"env,omitempty"`
}

func (s SecretSource) empty() bool { return s.File == "" && s.Env == "" }

func (s SecretSource) validate(field string) error {
	if s.File != "" && s.Env != "" {
		return fmt.Errorf("%s: set file or env, not both", field)
	}
	return nil
}

// errNoSecret is an environment variable or a file without content.
var errNoSecret = errors.New("is empty or not set")

// read returns the secret; the error never holds any of it.
func (s SecretSource) read() (Secret, error) {
	if s.File != "" {
		b, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		if text := strings.TrimSpace(string(b)); text != "" {
			return Secret(text), nil
		}
		return "", fmt.Errorf("read secret: file %s %w", s.File, errNoSecret)
	}
	if text := os.Getenv(s.Env); text != "" {
		return Secret(text), nil
	}
	return "", fmt.Errorf("read secret: environment variable %s %w", s.Env, errNoSecret)
}
