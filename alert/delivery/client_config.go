package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// ClientConfig is how a server is talked to over HTTP.
type ClientConfig struct {
	// Timeout bounds one request, from dialling to the end of the answer. A
	// server that is slower than that is sent the same again.
	Timeout time.Duration `yaml:"timeout"`
	// BasicAuth sends a user name and password. Not with Bearer.
	BasicAuth BasicAuth `yaml:"basic_auth,omitempty"`
	// Bearer is where the token of an Authorization: Bearer header is.
	Bearer SecretSource `yaml:"bearer_token,omitempty"`
	// Headers are sent with every request. Their values are not printed.
	Headers map[string]Secret `yaml:"headers,omitempty"`
	// TLS is for https URLs.
	TLS TLSConfig `yaml:"tls,omitempty"`
}

// BasicAuth is a user name and where its password is.
type BasicAuth struct {
	// Username is empty for no basic authentication.
	Username string `yaml:"username,omitempty"`
	// Password is where the password is.
	Password SecretSource `yaml:"password,omitempty"`
}

// TLSConfig is how an https server is trusted and what is shown to it.
type TLSConfig struct {
	// CAFile holds the certificates (PEM) of the authorities that are trusted;
	// empty for those of the system.
	CAFile string `yaml:"ca_file,omitempty"`
	// CertFile and KeyFile (PEM) are the client's certificate, both or neither.
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
	// ServerName is the name the server's certificate must have; empty for the
	// host of the URL.
	ServerName string `yaml:"server_name,omitempty"`
	// InsecureSkipVerify accepts any certificate. Whoever is in between can
	// then read and change what is sent.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify,omitempty"`
}

// DefaultClientConfig returns the defaults: a timeout of 10 s.
func DefaultClientConfig() ClientConfig { return ClientConfig{Timeout: 10 * time.Second} }

// Validate checks the configuration without reading any file, and returns all
// problems joined.
func (c ClientConfig) Validate() error {
	var errs []error
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %v is not positive", c.Timeout))
	}
	errs = append(errs, c.BasicAuth.Password.validate("basic_auth.password"), c.Bearer.validate("bearer_token"))
	if c.BasicAuth.Username == "" && !c.BasicAuth.Password.empty() {
		errs = append(errs, errors.New("basic_auth.username: missing, with a password"))
	}
	if c.BasicAuth.Username != "" && !c.Bearer.empty() {
		errs = append(errs, errors.New("bearer_token: set this or basic_auth, not both"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if value := c.Headers[name]; !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(string(value)) {
			errs = append(errs, fmt.Errorf("headers: %q is not a valid header", name))
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file go together"))
	}
	return errors.Join(errs...)
}

// ValidateURL checks the base URL of a server: absolute, http or https, and
// without a password, which would be printed.
func ValidateURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URL") // the parser's error would print it
	}
	switch {
	case u.User != nil:
		return errors.New("put credentials into basic_auth, not into the URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q does not begin with http:// or https://", raw)
	case u.Host == "":
		return fmt.Errorf("%q has no host", raw)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has a query or a fragment", raw)
	}
	return nil
}

// tlsConfig reads the files of the configuration.
func (c TLSConfig) tlsConfig() (*tls.Config, error) {
	out := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify, //nolint:gosec // asked for by the operator, and documented
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls.ca_file: no certificate in %s", c.CAFile)
		}
	}
	if c.CertFile != "" {
		// Read at every handshake, so that a renewed certificate is picked up.
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("read tls.cert_file: %w", err)
			}
			return &pair, nil
		}
	}
	return out, nil
}

// join appends a path to a base URL.
func join(base, path string) string { return strings.TrimSuffix(base, "/") + path }
