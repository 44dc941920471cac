{{/* The bridge's configuration: what the chart decides, over .Values.config. */}}
{{- define "treble-bridge.config" -}}
{{- $nats := dict "url" .Values.nats.url -}}
{{- $credential := include "treble-bridge.natsCredential" . -}}
{{- if .Values.nats.embedded -}}
{{- $nats = dict "embedded" (dict "addr" ":4222" "token_file" "/etc/treble-bridge/nats/token" "allow_plaintext" true) -}}
{{- else if $credential -}}
{{- $key := get (dict "credentials" "credentials_file" "nkey" "nkey_file" "token" "token_file" "password" "password_file") $credential -}}
{{- $_ := set $nats $key (printf "/etc/treble-bridge/nats/%s" $credential) -}}
{{- end -}}
{{- if .Values.nats.tls.existingSecret -}}
{{- $tls := dict "ca_file" "/etc/treble-bridge/nats-tls/ca.crt" -}}
{{- if .Values.nats.tls.clientCertificate -}}
{{- $tls = merge $tls (dict "cert_file" "/etc/treble-bridge/nats-tls/tls.crt" "key_file" "/etc/treble-bridge/nats-tls/tls.key") -}}
{{- end -}}
{{- $_ := set $nats "tls" $tls -}}
{{- end -}}
{{- $own := dict
  "data_dir" "/data"
  "shutdown_timeout" (printf "%ds" (int .Values.shutdownSeconds))
  "ingress" (dict "addr" ":8080")
  "ops" (dict "addr" ":9464")
  "publisher" (dict "ack" (include "treble-bridge.ack" .))
  "nats" $nats -}}
{{- if not (get .Values.config "sources") -}}
{{- $_ := set $own "auth" (include "treble-bridge.auth" . | fromYaml) -}}
{{- end -}}
{{- mustMergeOverwrite (deepCopy .Values.config) $own | toYaml -}}
{{- end }}

{{/* The auth of the default source. */}}
{{- define "treble-bridge.auth" -}}
{{- if .Values.auth.disabled -}}
disabled: true
{{- else if .Values.auth.header -}}
header:
  name: {{ .Values.auth.header | quote }}
  values_file: /etc/treble-bridge/auth/tokens
{{- else -}}
bearer_file: /etc/treble-bridge/auth/tokens
{{- end -}}
{{- end }}
