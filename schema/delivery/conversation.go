package delivery

import (
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// conversationClosed reads all three forms of a closed conversation. They
// differ in where a fact stands, never in what it means, so each is looked for
// in every place.
func (r *reader) conversationClosed() (schema.Payload, eventTime) {
	p := &schema.ConversationClosed{
		ClosedAt:         first(r.time("session", "closed_at"), r.time("closed_at")),
		OccurredAt:       r.time("timestamp"),
		Company:          r.company(),
		HSM:              r.hsm(),
		HubspotDealID:    r.id("hubspot_deal_id"),
		HubspotContactID: r.id("hubspot_contact_id"),
	}
	messages := r.at("messages")
	if messages.isArray() && !messages.isFolded() {
		p.Messages = make([]schema.Message, 0, messages.len()) // told from "no messages were sent along"
	}
	r.each(messages, "messages", func(v value) {
		if o := r.child(v); o.isObject() {
			p.Messages = append(p.Messages, r.message(o))
		}
	})
	return p, first(p.ClosedAt, p.OccurredAt)
}

func (r *reader) company() *schema.Company {
	if id := r.id("company_id"); id != "" {
		return &schema.Company{ID: id}
	}
	o := r.child(r.at("company"), "company")
	if !o.isObject() {
		return nil
	}
	c := &schema.Company{ID: r.idOf(o.get("id"), "company.id")}
	if number := r.textOf(o.get("cellphone"), "company.cellphone"); number != "" {
		var ok bool // the number has its country code, without the plus
		if c.Phone, ok = phone.Parse(number); !ok {
			r.warn("gives no telephone number, left out", "company", "cellphone")
		}
	}
	return c
}

// message reads one message. In the form of accounts with HubSpot the sender is
// a display name, the text stands beside it, and a file is told by file_type.
func (r *reader) message(o value) schema.Message {
	m := schema.Message{
		CreatedAt:   r.timeOf(o.get("created_at"), "created_at"),
		DeliveredAt: r.timeOf(o.get("delivered_at"), "delivered_at"),
		ReadAt:      r.timeOf(o.get("read_at"), "read_at"),
	}
	sender := r.textOf(o.get("sender"), "sender")
	if o.has("type") {
		m.Sender = sender
		m.Type = r.textOf(o.get("type"), "type")
		r.content(&m, o)
		return m
	}
	m.SenderName = sender
	m.Type = strings.ToLower(r.textOf(o.get("file_type"), "file_type"))
	if m.Type == "" {
		m.Type = "text"
	}
	m.Text = r.textOf(o.get("message"), "message")
	m.URL = r.textOf(o.get("extra"), "extra")
	return m
}

// content reads what is in a message: an object named like its type.
func (r *reader) content(m *schema.Message, o value) {
	name := clip(m.Type)
	c := r.child(o.get(m.Type), name)
	if !c.isObject() {
		return
	}
	if m.Type == "location" {
		if m.Location = location(o.get(m.Type)); m.Location == nil {
			r.warn("not a location, left out", name)
		}
		return
	}
	m.Text = r.textOf(c.get("message"), name, "message")
	if m.Text == "" {
		m.Text = r.textOf(c.get("caption"), name, "caption")
	}
	m.URL = r.textOf(c.get("url"), name, "url")
}

func (r *reader) hsm() *schema.HSM {
	o := r.child(r.at("hsm"), "hsm")
	if !o.isObject() {
		return nil
	}
	h := &schema.HSM{
		Name:    r.textOf(o.get("name"), "hsm.name"),
		Text:    r.textOf(o.get("text"), "hsm.text"),
		Answers: r.textsIn(o.get("answers"), "message", "hsm.answers"),
		Footer:  r.textOf(o.get("footer"), "hsm.footer"),
	}
	if header := r.child(o.get("header"), "hsm.header"); header.isObject() {
		h.Header = &schema.HSMHeader{
			Type: r.textOf(header.get("type"), "hsm.header.type"),
			Text: r.textOf(header.get("message"), "hsm.header.message"),
			URL:  r.textOf(header.get("url"), "hsm.header.url"),
		}
	}
	if buttons := r.child(o.get("buttons"), "hsm.buttons"); buttons.isObject() {
		h.Buttons = &schema.HSMButtons{Type: r.textOf(buttons.get("type"), "hsm.buttons.type")}
		r.each(buttons.get("options"), "hsm.buttons.options", func(v value) {
			if b := r.child(v); b.isObject() {
				h.Buttons.Options = append(h.Buttons.Options, schema.HSMButton{
					Text:  r.textOf(b.get("message"), "message"),
					URL:   r.textOf(b.get("url"), "url"),
					Phone: r.textOf(b.get("phone"), "phone"),
				})
			}
		})
	}
	return h
}
