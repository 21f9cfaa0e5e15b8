package review

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// maxFamiliesBytes bounds the answer of a server.
const maxFamiliesBytes = 64 << 20

// Family asks the API of a running logcluster, at its base URL, for the family of
// a role key in a tenant; in any tenant if that is empty. It returns nil when the
// server knows none.
func Family(ctx context.Context, base *url.URL, tenant, role string) (*web.FamilyRef, error) {
	at := base.JoinPath("api/v1/families")
	if tenant != "" {
		at.RawQuery = url.Values{"tenant": {tenant}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for families: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for families: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for families: %s answers %s", at.Redacted(), resp.Status)
	}
	var answer web.FamiliesAnswer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFamiliesBytes)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read families of %s: %w", at.Redacted(), err)
	}
	for i := range answer.Tenants {
		if f := familyOf(answer.Tenants[i].Families, role); f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// familyOf returns the family of a role key, as it is shown, among some; nil
// without.
func familyOf(families []web.Family, role string) *web.FamilyRef {
	for _, f := range families {
		if slices.Contains(f.Members, role) {
			return &web.FamilyRef{ID: safe(f.ID), Name: safeText(f.Name), Members: len(f.Members)}
		}
	}
	return nil
}
