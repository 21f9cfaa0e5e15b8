package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// hint says what to look at first. It is empty when the error says all that is
// known.
func hint(err error) string {
	for _, h := range []func(error) string{kafkaHint, tlsHint, networkHint} {
		if s := h(err); s != "" {
			return s
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return "give the user that logcluster runs as the right to do this"
	}
	return ""
}

func kafkaHint(err error) string {
	var eof *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "create the topic, correct its name, or set kafka.create_topics: true"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "grant kafka.sasl.username the ACLs Read and Describe on what is read and on the group, Write on what is written"
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "check kafka.sasl: mechanism, user name and password"
	case errors.Is(err, kerr.LeaderNotAvailable):
		return "a partition has no leader: is one of the brokers down?"
	case errors.As(err, &eof):
		return "the broker hung up at once: it expects TLS (kafka.tls.enabled) or SASL (kafka.sasl), or does not"
	}
	return ""
}

func tlsHint(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "name the authority that signed the server's certificate in tls.ca_file"
	case errors.As(err, &host):
		return "the certificate is for another name: set tls.server_name, or use the name it is for"
	case errors.As(err, &header):
		return "the server does not speak TLS on this port"
	}
	return ""
}

func networkHint(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is it running, and are host and port right?"
	case errors.As(err, &dns):
		return "the name does not resolve on this machine"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: a firewall, a network policy or a wrong port?"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the server hung up: it may expect TLS, or other credentials"
	}
	return ""
}
