// Package ledger shows a run's verdicts on the claims as a page, each with charts of its
// cells.
package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/site"
)

// Files of the ledger in a run's folder.
const (
	HTMLFile     = "claims.html"
	MarkdownFile = "claims.md"
)

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Claims, {{.Title}}</title><style>{{.CSS}}</style></head>
<body><main><h1>{{.Title}}</h1>
<p class="note"><a href="report.html">The report of this run</a>, with its charts and every repeat.</p>
{{.Body}}</main></body></html>
`))

// Body returns the ledger as the body of a page, with the charts of each claim and model.
func Body(set *result.Set, l *claims.Ledger) (template.HTML, error) {
	drawer := report.NewDrawer(set)
	var failed error
	var b bytes.Buffer
	err := claims.HTML(&b, l, func(charts []string, cells []result.Key) []template.HTML {
		images, err := drawer.Images(charts, cells)
		failed = errors.Join(failed, err)
		return images
	})
	if err = errors.Join(err, failed); err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	return template.HTML(b.String()), nil
}

// OnSite returns a run's verdicts on the claims for a site, or nil if it decides too few.
func OnSite(set *result.Set) (*site.Claims, error) {
	l := claims.Evaluate(set)
	if !l.Tells() {
		return nil, nil
	}
	body, err := Body(set, l)
	var table bytes.Buffer
	err = errors.Join(err, claims.Table(&table, l, site.ClaimsFile))
	return &site.Claims{Table: template.HTML(table.String()), Body: body}, err
}

// Write writes a run's verdicts on the claims into its folder, next to its report.
func Write(set *result.Set, l *claims.Ledger) error {
	body, err := Body(set, l)
	if err != nil {
		return err
	}
	var html, markdown bytes.Buffer
	if err := claims.Markdown(&markdown, l); err != nil {
		return fmt.Errorf("write claims: %w", err)
	}
	err = page.Execute(&html, struct {
		Title string
		CSS   template.CSS
		Body  template.HTML
	}{cmp.Or(set.Run.Title, set.Run.Name, set.Run.ID), report.Style(), body})
	if err != nil {
		return fmt.Errorf("write claims: %w", err)
	}
	return errors.Join(result.WriteFile(filepath.Join(set.Dir, HTMLFile), html.Bytes()),
		result.WriteFile(filepath.Join(set.Dir, MarkdownFile), markdown.Bytes()))
}
