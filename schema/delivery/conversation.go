package delivery

import (
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// conversationClosed reads all three forms of a closed conversation. They
// differ in where a fact stands, never in what it means, so each is looked for
// in every place.
func (r *reader) conversationClosed() (schema.Payload, happened) {
	p := &schema.ConversationClosed{
		ClosedAt:         first(r.time("session", "closed_at"), r.time("closed_at")),
		OccurredAt:       r.time("timestamp"),
		Company:          r.company(),
		HSM:              r.hsm(),
		HubspotDealID:    r.id("hubspot_deal_id"),
		HubspotContactID: r.id("hubspot_contact_id"),
	}
	if v := r.at("messages"); len(v) > 0 && v[0] == '[' {
		p.Messages = []schema.Message{} // told from "no messages were sent along"
	}
	r.each("messages", func(field string, v []byte) {
		if o := r.child(v, field); o != nil {
			p.Messages = append(p.Messages, r.message(o, field))
		}
	})
	return p, first(p.ClosedAt, p.OccurredAt)
}

func (r *reader) company() *schema.Company {
	if id := r.id("company_id"); id != "" {
		return &schema.Company{ID: id}
	}
	o := r.child(r.at("company"), "company")
	if o == nil {
		return nil
	}
	c := &schema.Company{ID: r.idOf(o["id"], "company.id")}
	if number := r.textOf(o["cellphone"], "company.cellphone"); number != "" {
		var ok bool // the number has its country code, without the plus
		if c.Phone, ok = phone.Parse(number); !ok {
			r.warn("company.cellphone", "gives no telephone number, left out")
		}
	}
	return c
}

// message reads one message. In the form of accounts with HubSpot the sender is
// a display name, the text stands beside it, and a file is told by file_type.
func (r *reader) message(o object, field string) schema.Message {
	m := schema.Message{
		CreatedAt:   r.timeOf(o["created_at"], field, "created_at"),
		DeliveredAt: r.timeOf(o["delivered_at"], field, "delivered_at"),
		ReadAt:      r.timeOf(o["read_at"], field, "read_at"),
	}
	sender := r.textOf(o["sender"], field, "sender")
	if o.has("type") {
		m.Sender = sender
		m.Type = r.textOf(o["type"], field, "type")
		r.content(&m, o, field)
		return m
	}
	m.SenderName = sender
	m.Type = strings.ToLower(r.textOf(o["file_type"], field, "file_type"))
	if m.Type == "" {
		m.Type = "text"
	}
	m.Text = r.textOf(o["message"], field, "message")
	m.URL = r.textOf(o["extra"], field, "extra")
	return m
}

// content reads what is in a message: an object named like its type.
func (r *reader) content(m *schema.Message, o object, field string) {
	field += "." + clip(m.Type)
	c := r.child(o[m.Type], field)
	if c == nil {
		return
	}
	if m.Type == "location" {
		if m.Location = location(o[m.Type]); m.Location == nil {
			r.warn(field, "not a location, left out")
		}
		return
	}
	m.Text = r.textOf(c["message"], field, "message")
	if m.Text == "" {
		m.Text = r.textOf(c["caption"], field, "caption")
	}
	m.URL = r.textOf(c["url"], field, "url")
}

func (r *reader) hsm() *schema.HSM {
	o := r.child(r.at("hsm"), "hsm")
	if o == nil {
		return nil
	}
	h := &schema.HSM{
		Name:    r.textOf(o["name"], "hsm.name"),
		Text:    r.textOf(o["text"], "hsm.text"),
		Answers: r.textsIn(o["answers"], "message", "hsm.answers"),
		Footer:  r.textOf(o["footer"], "hsm.footer"),
	}
	if header := r.child(o["header"], "hsm.header"); header != nil {
		h.Header = &schema.HSMHeader{
			Type: r.textOf(header["type"], "hsm.header.type"),
			Text: r.textOf(header["message"], "hsm.header.message"),
			URL:  r.textOf(header["url"], "hsm.header.url"),
		}
	}
	if buttons := r.child(o["buttons"], "hsm.buttons"); buttons != nil {
		h.Buttons = &schema.HSMButtons{Type: r.textOf(buttons["type"], "hsm.buttons.type")}
		r.eachOf(buttons["options"], "hsm.buttons.options", func(field string, v []byte) {
			if b := r.child(v, field); b != nil {
				h.Buttons.Options = append(h.Buttons.Options, schema.HSMButton{
					Text:  r.textOf(b["message"], field, "message"),
					URL:   r.textOf(b["url"], field, "url"),
					Phone: r.textOf(b["phone"], field, "phone"),
				})
			}
		})
	}
	return h
}
