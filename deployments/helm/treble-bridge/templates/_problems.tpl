{{/*
Every contradiction in the values, one per line, and what to do about it. What
one value alone may be is said by values.schema.json.
*/}}
{{- define "treble-bridge.problems" -}}
{{- include "treble-bridge.problems.shape" . }}
{{- include "treble-bridge.problems.nats" . }}
{{- include "treble-bridge.problems.secrets" . }}
{{- include "treble-bridge.problems.config" . }}
{{- end }}

{{- define "treble-bridge.problems.shape" -}}
{{- $ack := include "treble-bridge.ack" . }}
{{- $replicas := int (include "treble-bridge.replicas" .) }}
{{- if eq .Values.shape "standalone" }}
{{- if eq $ack "stream" }}
- ack: stream needs no volume: use shape: stateless, or leave ack empty
{{- end }}
{{- if not .Values.persistence.enabled }}
- persistence.enabled: false would put the journal on an emptyDir, which is lost with its pod, and with it events that were answered 200: leave it true, or use shape: stateless
{{- end }}
{{- if .Values.persistence.existingClaim }}
- persistence.existingClaim: in standalone each pod gets a claim of its own: remove it
{{- end }}
{{- else if eq .Values.shape "stateless" }}
{{- if eq $ack "journal" }}
- ack: journal: stateless pods have no disk that outlives them: use shape: standalone, or leave ack empty
{{- end }}
{{- if and .Values.autoscaling.enabled (not (kindIs "invalid" .Values.replicas)) }}
- replicas: the autoscaler decides: set autoscaling.minReplicas and maxReplicas instead, or autoscaling.enabled: false
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
- autoscaling.minReplicas is more than autoscaling.maxReplicas
{{- end }}
{{- else }}
{{- if not .Values.sidecar.containers }}
- sidecar.containers: is empty: put the containers of your application there
{{- end }}
{{- if and (eq $ack "journal") (not .Values.persistence.enabled) }}
- ack: journal without a PersistentVolumeClaim: the journal would be lost with its pod, and with it events that were answered 200: set persistence.enabled: true, or use ack: stream
{{- end }}
{{- if and (eq $ack "journal") (gt $replicas 1) }}
- replicas: {{ $replicas }} pods cannot share the claim of one journal: use 1, or ack: stream, or shape: standalone
{{- end }}
{{- end }}
{{- if and (ne .Values.shape "standalone") (eq $ack "stream") .Values.persistence.existingClaim }}
- persistence.existingClaim: nothing would be on it with ack: stream: remove it{{ if eq .Values.shape "sidecar" }}, or use ack: journal{{ end }}
{{- end }}
{{- if and (ne .Values.shape "sidecar") .Values.sidecar.containers }}
- sidecar.containers: are for shape: sidecar: set it, or remove them
{{- end }}
{{- end }}

{{- define "treble-bridge.problems.nats" -}}
{{- $credential := include "treble-bridge.natsCredential" . }}
{{- $secret := include "treble-bridge.natsSecret" . }}
{{- $user := dig "nats" "user" "" .Values.config }}
{{- if .Values.nats.embedded }}
{{- if .Values.nats.url }}
- nats.url and nats.embedded exclude each other: remove one
{{- end }}
{{- if ne .Values.shape "standalone" }}
- nats.embedded: keeps the stream on the pod's volume: only with shape: standalone
{{- end }}
{{- if and (eq .Values.shape "standalone") (gt (int (include "treble-bridge.replicas" .)) 1) }}
- replicas: with nats.embedded every pod would have a stream of its own: use 1, or nats.url
{{- end }}
{{- if has .Values.nats.credential (list "credentials" "nkey" "password") }}
- nats.credential: the embedded server knows token only: leave it empty
{{- end }}
{{- if .Values.nats.tls.existingSecret }}
- nats.tls: is for a NATS of your own; the embedded server has none
{{- end }}
{{- else }}
{{- if not .Values.nats.url }}
- nats.url: is required, such as nats://nats.nats.svc:4222; or nats.embedded: true for a server inside the bridge (standalone, one pod)
{{- end }}
{{- if contains "@" .Values.nats.url }}
- nats.url: holds a user, and would stand in a ConfigMap: use nats.credential and nats.existingSecret
{{- end }}
{{- if and (eq $credential "password") (not $user) }}
- nats.credential: password needs config.nats.user
{{- end }}
{{- if and $user (ne $credential "password") }}
- config.nats.user: is used with nats.credential: password
{{- end }}
{{- end }}
{{- if and $credential (not $secret) }}
- nats.existingSecret: is required: the name of a Secret with the key {{ $credential }}{{ if eq $credential "token" }}; or set nats.token{{ end }}
{{- end }}
{{- if and $secret (not $credential) }}
- nats.credential: is required with nats.existingSecret or nats.token: credentials, nkey, token or password
{{- end }}
{{- if and .Values.nats.tls.clientCertificate (not .Values.nats.tls.existingSecret) }}
- nats.tls.clientCertificate: needs nats.tls.existingSecret, with tls.crt and tls.key in it
{{- end }}
{{- if and .Values.nats.token (or .Values.nats.existingSecret (not (has $credential (list "" "token")))) }}
- nats.token: only for credential token, and not beside nats.existingSecret
{{- end }}
{{- end }}

{{- define "treble-bridge.problems.secrets" -}}
{{- $given := include "treble-bridge.authSecret" . }}
{{- if and .Values.auth.existingSecret .Values.auth.tokens }}
- auth.existingSecret and auth.tokens exclude each other: remove one
{{- end }}
{{- if and .Values.auth.disabled (or $given .Values.auth.header) }}
- auth.disabled: true beside a secret: remove one
{{- end }}
{{- if (get .Values.config "sources") }}
{{- if or .Values.auth.disabled .Values.auth.header }}
- auth.disabled and auth.header are of the default source, which config.sources replaces: move them to config.sources[].auth
{{- end }}
{{- range $i, $source := (get .Values.config "sources") }}
{{- $inline := or (dig "auth" "bearer" "" $source) (dig "auth" "header" "values" "" $source) (dig "auth" "basic" "passwords" "" $source) (dig "auth" "query" "values" "" $source) (dig "auth" "path" "values" "" $source) (dig "auth" "hmac" "keys" "" $source) (dig "auth" "standard_webhooks" "keys" "" $source) }}
{{- range (dig "auth" "secrets" list $source) }}
{{- $inline = or $inline (get . "value") }}
{{- end }}
{{- if $inline }}
- config.sources[{{ $i }}].auth: a secret would stand in a ConfigMap: put it into auth.existingSecret and name it as bearer_file, values_file, keys_file or file: /etc/treble-bridge/auth/<key>
{{- end }}
{{- end }}
{{- else if not (or .Values.auth.disabled $given) }}
- auth.existingSecret: is required: the name of a Secret whose key "tokens" has one secret per line; or set auth.tokens; or auth.disabled: true to let everybody in
{{- end }}
{{- end }}

{{/* Keys of .Values.config that the chart itself sets, and where to set them instead. */}}
{{- define "treble-bridge.problems.config" -}}
{{- $owned := dict
  "data_dir" "is always /data"
  "shutdown_timeout" "use shutdownSeconds"
  "ingress.addr" "is always :8080"
  "ops.addr" "is always :9464"
  "nats.url" "use nats.url"
  "nats.token" "use nats.credential" "nats.token_file" "use nats.credential"
  "nats.password" "use nats.credential" "nats.password_file" "use nats.credential"
  "nats.credentials_file" "use nats.credential" "nats.nkey_file" "use nats.credential"
  "nats.tls" "use nats.tls"
  "nats.embedded" "use nats.embedded"
  "publisher.ack" "use ack"
  "auth" "use auth" }}
{{- range $key, $instead := $owned }}
{{- $at := $.Values.config }}
{{- range splitList "." $key }}{{ $at = ternary (get (ternary $at dict (kindIs "map" $at)) .) "" (kindIs "map" $at) }}{{ end }}
{{- if ne (toString $at) "" }}
- config.{{ $key }}: belongs to the chart: {{ if hasPrefix "is" $instead }}it {{ end }}{{ $instead }}
{{- end }}
{{- end }}
{{- end }}
