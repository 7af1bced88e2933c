package claims

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Each claim has its section, with its words, its verdicts and why.
func TestHTML(t *testing.T) {
	l := Evaluate(story())
	l.Models = []result.Info{{Name: "process", Doc: "One each."}, {Name: "thread"}, {Name: "nginx"}}
	var b bytes.Buffer
	if err := HTML(&b, l, nil); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, c := range All {
		at := strings.Index(text, `<section id="`+l.Run+"-"+c.ID+`">`)
		if at < 0 {
			t.Errorf("%s has no section", c.ID)
			continue
		}
		section, _, _ := strings.Cut(text[at:], "</section>")
		if c.Lesson == "" || !strings.Contains(section, "<b>Why.</b>") || !strings.Contains(section, "<blockquote>") || !strings.Contains(section, "Rule, version "+c.Rule.Version) {
			t.Errorf("%s: something is missing in\n%s", c.ID, section)
		}
		verdicts := 0
		for i := range l.Verdicts {
			if l.Verdicts[i].Claim == c.ID {
				verdicts++
			}
		}
		if got := strings.Count(section, "<li>"+Go) + strings.Count(section, "<li>"+CPython); got != verdicts {
			t.Errorf("%s: %d verdicts are shown, of %d", c.ID, got, verdicts)
		}
	}
	for _, c := range l.Claims {
		if c.Says != nil && !strings.Contains(text, `href="#`+l.Run+"-"+c.ID+`"`) {
			t.Errorf("the table does not lead to %s", c.ID)
		}
	}
	if strings.Contains(text, "-model-nginx") {
		t.Error("a model without a verdict has a section")
	}
	for _, m := range l.Models[:2] {
		at := strings.Index(text, `<section id="`+l.Run+"-model-"+m.Name+`">`)
		section, _, _ := strings.Cut(text[max(0, at):], "</section>")
		if at < 0 || !strings.Contains(section, m.Doc) {
			t.Errorf("%s has no section", m.Name)
		}
		for i := range l.Verdicts {
			if v := &l.Verdicts[i]; v.Subject == m.Name && !strings.Contains(section, `href="#`+l.Run+"-"+v.Claim+`"`) {
				t.Errorf("%s is not said of %s", v.Claim, m.Name)
			}
		}
	}
	d := xml.NewDecoder(strings.NewReader("<div>" + text + "</div>"))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("it is not well-formed: %v", err)
		}
	}
}

func TestTells(t *testing.T) {
	if l := Evaluate(story()); l.Decided() == 0 || l.Tells() != (l.Decided() >= 9) {
		t.Errorf("%d claims are decided, and it tells: %v", l.Decided(), l.Tells())
	}
	empty := Evaluate(&newRecord().set)
	if empty.Decided() != 0 || empty.Tells() {
		t.Errorf("a run without cells decides %d", empty.Decided())
	}
}
