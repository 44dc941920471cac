package schema

// What each payload appends, in the order of its fields.

func (c *Common) append(o object) object {
	return o.text("session_id", c.SessionID).
		text("conversation_id", c.ConversationID).
		text("event_id", c.EventID).
		text("phone", c.Phone).
		text("country_code", c.CountryCode).
		text("cellphone", c.Cellphone).
		sessionKeys("session_keys", c.SessionKeys).
		flag("test", c.Test).
		texts("warnings", c.Warnings).
		bytes("raw_base64", c.RawBase64)
}

func (q *Question) append(o object) object {
	if q == nil {
		return o
	}
	return o.begin("question").text("type", q.Type).text("text", q.Text).texts("answers", q.Answers).end()
}

func (p *MessageRead) append(o object) object {
	return p.Question.append(p.Common.append(o)).
		time("sent_at", p.SentAt).
		text("sent_text", p.SentText).
		time("read_at", p.ReadAt)
}

func (p *MessageDelivered) append(o object) object {
	return p.Question.append(p.Common.append(o)).
		time("sent_at", p.SentAt).
		text("sent_text", p.SentText).
		time("delivered_at", p.DeliveredAt)
}

func (p *MessageResponded) append(o object) object {
	return p.Question.append(p.Common.append(o)).
		time("sent_at", p.SentAt).
		text("sent_text", p.SentText).
		time("responded_at", p.RespondedAt).
		text("actual_response", p.ActualResponse).
		text("classified_answer", p.ClassifiedAnswer)
}

func (p *MessageTimedOut) append(o object) object {
	return p.Question.append(p.Common.append(o)).time("timeout_at", p.TimeoutAt)
}

func (p *ContactOptedOut) append(o object) object {
	return p.Question.append(p.Common.append(o)).
		time("sent_at", p.SentAt).
		text("sent_text", p.SentText).
		text("classified_answer", p.ClassifiedAnswer).
		text("reason", p.Reason)
}

func (p *ConditionEvaluated) append(o object) object {
	o = p.Common.append(o)
	if v := p.Variable; v != nil {
		o = o.begin("variable").text("name", v.Name).text("value", v.Value).end()
	}
	if c := p.Condition; c != nil {
		o = o.begin("condition").text("operator", c.Operator).text("value", c.Value).end()
	}
	return o
}

func (p *ConversationClosed) append(o object) object {
	o = p.Common.append(o).time("closed_at", p.ClosedAt).time("occurred_at", p.OccurredAt)
	if c := p.Company; c != nil {
		o = o.begin("company").text("id", c.ID).text("phone", c.Phone).end()
	}
	if p.Messages != nil {
		o = objects(o, "messages", p.Messages, (*Message).append)
	}
	return p.HSM.append(o).text("hubspot_deal_id", p.HubspotDealID).text("hubspot_contact_id", p.HubspotContactID)
}

func (m *Message) append(o object) object {
	o = o.text("sender", m.Sender).
		text("sender_name", m.SenderName).
		text("type", m.Type).
		text("text", m.Text).
		text("url", m.URL)
	if m.Location != nil {
		o = o.key("location").location(m.Location)
	}
	return o.time("created_at", m.CreatedAt).time("delivered_at", m.DeliveredAt).time("read_at", m.ReadAt)
}

func (h *HSM) append(o object) object {
	if h == nil {
		return o
	}
	o = o.begin("hsm").text("name", h.Name).text("text", h.Text).texts("answers", h.Answers)
	if header := h.Header; header != nil {
		o = o.begin("header").text("type", header.Type).text("text", header.Text).text("url", header.URL).end()
	}
	o = o.text("footer", h.Footer)
	if b := h.Buttons; b != nil {
		o = o.begin("buttons").text("type", b.Type)
		if len(b.Options) > 0 {
			o = objects(o, "options", b.Options, (*HSMButton).append)
		}
		o = o.end()
	}
	return o.end()
}

func (b *HSMButton) append(o object) object {
	return o.text("text", b.Text).text("url", b.URL).text("phone", b.Phone)
}

func (p *HSMStatusChanged) append(o object) object {
	o = p.Common.append(o).time("occurred_at", p.OccurredAt)
	return p.HSM.append(o).text("status", p.Status).texts("affected_conversation_ids", p.AffectedConversationIDs)
}

func (p *DeploymentFailed) append(o object) object {
	return p.Common.append(o).
		time("occurred_at", p.OccurredAt).
		time("failed_at", p.FailedAt).
		text("failure_reason", p.FailureReason)
}

func (p *FlowUnrecognized) append(o object) object {
	return p.Common.append(o).text("business_scope_id", p.BusinessScopeID)
}

func (p *Unrecognized) append(o object) object {
	return p.Common.append(o).time("occurred_at", p.OccurredAt).text("event_type", p.EventType)
}

func (p *BridgeProbe) append(o object) object { return p.Common.append(o) }
