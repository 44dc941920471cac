// Written by "npm run generate" from the JSON Schemas of treble-bridge. Do not edit.
// schemas: sha256 b7e263c0ef853983348d4426bb2954a1bb8df5eff416185f2b380a4fe79237c4

/**
 * An event of a kind that these types know; type tells which.
 */
export type TrebleEvent =
  | BridgeProbeEvent
  | ConditionEvaluatedEvent
  | ContactOptedOutEvent
  | ConversationClosedEvent
  | DeploymentFailedEvent
  | FlowUnrecognizedEvent
  | HSMStatusChangedEvent
  | MessageDeliveredEvent
  | MessageReadEvent
  | MessageRespondedEvent
  | MessageTimedOutEvent
  | UnrecognizedEvent;
/**
 * A variable of a flow: a text, null if it is there without a value, or a place.
 */
export type SessionValue = string | null | Location;

/**
 * An event of the kind bridge.probe. BridgeProbe is an event that the bridge sent to itself.
 */
export interface BridgeProbeEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.bridge.probe";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:bridge.probe:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: BridgeProbe;
}
/**
 * BridgeProbe is an event that the bridge sent to itself.
 */
export interface BridgeProbe {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * Location is a place.
 */
export interface Location {
  /**
   * in degrees, north is positive
   */
  latitude: number;
  /**
   * in degrees, east is positive
   */
  longitude: number;
  /**
   * the address, as received from Treble
   */
  address?: string;
}
/**
 * An event of the kind condition.evaluated. ConditionEvaluated says that a flow left a condition block.
 */
export interface ConditionEvaluatedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.condition.evaluated";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:condition.evaluated:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: ConditionEvaluated;
}
/**
 * ConditionEvaluated says that a flow left a condition block.
 */
export interface ConditionEvaluated {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  variable?: Variable;
  condition?: Condition;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * Variable is the session variable that a condition looked at.
 */
export interface Variable {
  /**
   * the name of the variable
   */
  name?: string;
  /**
   * the value of the variable
   */
  value?: string;
}
/**
 * Condition is the comparison that a condition block made.
 */
export interface Condition {
  /**
   * such as EQ, GT, CONT; an open set
   */
  operator?: string;
  /**
   * what the variable was compared with
   */
  value?: string;
}
/**
 * An event of the kind contact.opted_out. ContactOptedOut says that a person chose an answer that counts as opting out.
 */
export interface ContactOptedOutEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.contact.opted_out";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:contact.opted_out:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: ContactOptedOut;
}
/**
 * ContactOptedOut says that a person chose an answer that counts as opting out.
 */
export interface ContactOptedOut {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  question?: Question;
  /**
   * when the question was sent; Treble does not tell the time of the opt-out
   */
  sent_at?: string;
  /**
   * the question as sent
   */
  sent_text?: string;
  /**
   * the answer that counts as opting out
   */
  classified_answer?: string;
  /**
   * "OPTOUT"
   */
  reason?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * Question is the block of a flow that an event is about.
 */
export interface Question {
  /**
   * "open" or "closed"; others may come
   */
  type?: string;
  /**
   * the words of the question
   */
  text?: string;
  /**
   * the answers to choose from, if the question is closed
   */
  answers?: string[];
}
/**
 * An event of the kind conversation.closed. ConversationClosed says that a session ended. Three forms of Treble's body (session.close of the webhook center and two older ones) give this shape.
 */
export interface ConversationClosedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.conversation.closed";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:conversation.closed:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: ConversationClosed;
}
/**
 * ConversationClosed says that a session ended. Three forms of Treble's body (session.close of the webhook center and two older ones) give this shape.
 */
export interface ConversationClosed {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * when the session ended
   */
  closed_at?: string;
  /**
   * the webhook center's timestamp
   */
  occurred_at?: string;
  company?: Company;
  /**
   * the messages of the talk, in the order of the body, which may differ from that of time
   */
  messages?: Message[];
  hsm?: HSM;
  /**
   * the deal in HubSpot, of accounts with HubSpot
   */
  hubspot_deal_id?: string;
  /**
   * the contact in HubSpot, of accounts with HubSpot
   */
  hubspot_contact_id?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * Company is the account at Treble.
 */
export interface Company {
  /**
   * Treble's id of the account
   */
  id?: string;
  /**
   * the WhatsApp number of the account, E.164
   */
  phone?: string;
}
/**
 * Message is one message of a talk.
 */
export interface Message {
  /**
   * "user" or "company", where Treble says so
   */
  sender?: string;
  /**
   * a display name, from accounts with HubSpot
   */
  sender_name?: string;
  /**
   * text, hsm, image, video, audio, document, location; others may come
   */
  type?: string;
  /**
   * the words, or the caption of the file
   */
  text?: string;
  /**
   * the URL of the file
   */
  url?: string;
  location?: Location;
  /**
   * when the message was written
   */
  created_at?: string;
  /**
   * when the message reached the other side
   */
  delivered_at?: string;
  /**
   * when the other side read the message
   */
  read_at?: string;
}
/**
 * HSM is a message template of WhatsApp.
 */
export interface HSM {
  /**
   * the name of the template at Meta
   */
  name?: string;
  /**
   * the words of the template
   */
  text?: string;
  /**
   * the answers to choose from
   */
  answers?: string[];
  header?: HSMHeader;
  /**
   * the footer below the text
   */
  footer?: string;
  buttons?: HSMButtons;
}
/**
 * HSMHeader is the header above the text of a template.
 */
export interface HSMHeader {
  /**
   * text, image, video, document
   */
  type?: string;
  /**
   * the words of a header of the type text
   */
  text?: string;
  /**
   * the URL of the file, of a header of another type
   */
  url?: string;
}
/**
 * HSMButtons are a template's buttons.
 */
export interface HSMButtons {
  /**
   * quick_reply, call_to_action
   */
  type?: string;
  /**
   * the buttons, in their order
   */
  options?: HSMButton[];
}
/**
 * HSMButton is one button of a template.
 */
export interface HSMButton {
  /**
   * the label of the button
   */
  text?: string;
  /**
   * the URL that the button opens
   */
  url?: string;
  /**
   * the number that the button calls, as received
   */
  phone?: string;
}
/**
 * An event of the kind deployment.failed. DeploymentFailed says that a flow could not be sent to a person.
 */
export interface DeploymentFailedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.deployment.failed";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:deployment.failed:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: DeploymentFailed;
}
/**
 * DeploymentFailed says that a flow could not be sent to a person.
 */
export interface DeploymentFailed {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * the webhook center's timestamp
   */
  occurred_at?: string;
  /**
   * when the deployment failed
   */
  failed_at?: string;
  /**
   * such as INVALID_PHONE; an open set
   */
  failure_reason?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind flow.unrecognized. FlowUnrecognized is an event of a flow that says nothing of what happened.
 */
export interface FlowUnrecognizedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.flow.unrecognized";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:flow.unrecognized:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: FlowUnrecognized;
}
/**
 * FlowUnrecognized is an event of a flow that says nothing of what happened.
 */
export interface FlowUnrecognized {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * seen where a phone number is missing
   */
  business_scope_id?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind hsm.status_changed. HSMStatusChanged says that the state of a template changed at Meta.
 */
export interface HSMStatusChangedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.hsm.status_changed";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:hsm.status_changed:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: HSMStatusChanged;
}
/**
 * HSMStatusChanged says that the state of a template changed at Meta.
 */
export interface HSMStatusChanged {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * the webhook center's timestamp
   */
  occurred_at?: string;
  hsm?: HSM;
  /**
   * APPROVED, REJECTED, PAUSED, DISABLED, PENDING_DELETION; others may come
   */
  status?: string;
  /**
   * the flows that use the template
   */
  affected_conversation_ids?: string[];
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind message.delivered. MessageDelivered says that a message reached a person's phone.
 */
export interface MessageDeliveredEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.message.delivered";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:message.delivered:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: MessageDelivered;
}
/**
 * MessageDelivered says that a message reached a person's phone.
 */
export interface MessageDelivered {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  question?: Question;
  /**
   * when the message was sent
   */
  sent_at?: string;
  /**
   * the message
   */
  sent_text?: string;
  /**
   * when it reached the phone
   */
  delivered_at?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind message.read. MessageRead says that a person read a message. It never comes for people who turned read receipts off.
 */
export interface MessageReadEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.message.read";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:message.read:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: MessageRead;
}
/**
 * MessageRead says that a person read a message. It never comes for people who turned read receipts off.
 */
export interface MessageRead {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  question?: Question;
  /**
   * when the message was sent
   */
  sent_at?: string;
  /**
   * the message
   */
  sent_text?: string;
  /**
   * when it was read
   */
  read_at?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind message.responded. MessageResponded says that a person answered a question.
 */
export interface MessageRespondedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.message.responded";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:message.responded:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: MessageResponded;
}
/**
 * MessageResponded says that a person answered a question.
 */
export interface MessageResponded {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  question?: Question;
  /**
   * when the question was sent
   */
  sent_at?: string;
  /**
   * the question as sent
   */
  sent_text?: string;
  /**
   * when it was answered
   */
  responded_at?: string;
  /**
   * the words as typed
   */
  actual_response?: string;
  /**
   * the answer as which Treble understood the words
   */
  classified_answer?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind message.timed_out. MessageTimedOut says that nobody answered in time and the flow went on.
 */
export interface MessageTimedOutEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.message.timed_out";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:message.timed_out:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: MessageTimedOut;
}
/**
 * MessageTimedOut says that nobody answered in time and the flow went on.
 */
export interface MessageTimedOut {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  question?: Question;
  /**
   * when the flow went on
   */
  timeout_at?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}
/**
 * An event of the kind unrecognized. Unrecognized is a JSON object that fits no kind. Raw has it all.
 */
export interface UnrecognizedEvent {
  /**
   * of CloudEvents
   */
  specversion: "1.0";
  /**
   * equal for the same event; also the header Nats-Msg-Id, but for replays
   */
  id: string;
  /**
   * "/treble/" and the name of the configured source
   */
  source: string;
  /**
   * "ai.treble." and the kind
   */
  type: "ai.treble.unrecognized";
  /**
   * Treble's session id, where there is one
   */
  subject?: string;
  /**
   * when it happened by Treble's clock, else receivedtime; UTC
   */
  time: string;
  /**
   * of data
   */
  datacontenttype: "application/json";
  /**
   * the kind and its version: which fields data may have
   */
  dataschema: "urn:treble-bridge:unrecognized:1";
  /**
   * when the bridge received it; UTC
   */
  receivedtime: string;
  /**
   * what makes the id
   */
  dedupekey: "event_id" | "content" | "none";
  data: Unrecognized;
}
/**
 * Unrecognized is a JSON object that fits no kind. Raw has it all.
 */
export interface Unrecognized {
  /**
   * Treble's session; the same for all events of one talk
   */
  session_id?: string;
  /**
   * the flow's id, the same for every person in it; digits
   */
  conversation_id?: string;
  /**
   * Treble's id of the event, only from the webhook center
   */
  event_id?: string;
  /**
   * E.164, such as "+573161234567"
   */
  phone?: string;
  /**
   * as received, such as "+57"
   */
  country_code?: string;
  /**
   * as received, without the country code
   */
  cellphone?: string;
  /**
   * the flow's variables
   */
  session_keys?: {
    [k: string]: SessionValue;
  };
  /**
   * sent by "treble-bridge send"
   */
  test?: boolean;
  /**
   * "field: what could not be read or was missing"
   */
  warnings?: string[];
  /**
   * the bytes as received, where they were not valid UTF-8
   */
  raw_base64?: string;
  /**
   * the webhook center's timestamp
   */
  occurred_at?: string;
  /**
   * the event type of the webhook center, unknown to this version
   */
  event_type?: string;
  /**
   * Raw is the value as received, byte for byte. It is valid JSON; if the received bytes were not valid UTF-8, U+FFFD stands in their place and raw_base64 has the bytes.
   */
  raw: {
    [k: string]: unknown;
  };
}

/** The types that TrebleEvent knows. A later version of the bridge may publish others. */
export const knownTypes: ReadonlySet<string> = new Set<TrebleEvent["type"]>([
  "ai.treble.bridge.probe",
  "ai.treble.condition.evaluated",
  "ai.treble.contact.opted_out",
  "ai.treble.conversation.closed",
  "ai.treble.deployment.failed",
  "ai.treble.flow.unrecognized",
  "ai.treble.hsm.status_changed",
  "ai.treble.message.delivered",
  "ai.treble.message.read",
  "ai.treble.message.responded",
  "ai.treble.message.timed_out",
  "ai.treble.unrecognized",
]);
