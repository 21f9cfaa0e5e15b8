package kafka

// Secret is a text that is never printed: not by fmt, not by slog, not in YAML
// or JSON. Its zero value is no secret.
type Secret struct{ text string }

const masked = "********"

// NewSecret returns the text as a secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text }

// String implements fmt.Stringer without telling the secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return masked
}

// GoString implements fmt.GoStringer without telling the secret.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText masks the secret in JSON and in logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML masks the secret in YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText takes the secret from text.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}
