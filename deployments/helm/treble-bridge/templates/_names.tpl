{{/* The name of everything the chart makes. 52: StatefulSets append to it. */}}
{{- define "treble-bridge.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What selectors select by. It must never change: it is immutable in a Deployment. */}}
{{- define "treble-bridge.selector" -}}
app.kubernetes.io/name: treble-bridge
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "treble-bridge.labels" -}}
{{ include "treble-bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "treble-bridge.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "treble-bridge.name" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "treble-bridge.authSecret" -}}
{{- .Values.auth.existingSecret | default (and .Values.auth.tokens (printf "%s-auth" (include "treble-bridge.name" .))) | default "" -}}
{{- end }}

{{- define "treble-bridge.natsSecret" -}}
{{- .Values.nats.existingSecret | default (and .Values.nats.token (printf "%s-nats" (include "treble-bridge.name" .))) | default "" -}}
{{- end }}

{{/* How the bridge, or a client of the embedded server, shows who it is; "" for not at all. */}}
{{- define "treble-bridge.natsCredential" -}}
{{- .Values.nats.embedded | ternary "token" .Values.nats.credential -}}
{{- end }}

{{- define "treble-bridge.ack" -}}
{{- .Values.ack | default (ternary "journal" "stream" (eq .Values.shape "standalone")) -}}
{{- end }}

{{/* The number of pods where it is fixed. */}}
{{- define "treble-bridge.replicas" -}}
{{- $alone := or .Values.nats.embedded (and (eq .Values.shape "sidecar") (eq (include "treble-bridge.ack" .) "journal")) -}}
{{- if kindIs "invalid" .Values.replicas }}{{ ternary 1 2 $alone }}{{ else }}{{ int .Values.replicas }}{{ end -}}
{{- end }}

{{/* "true" if there is a NetworkPolicy. */}}
{{- define "treble-bridge.networkPolicy" -}}
{{- $on := .Values.networkPolicy.enabled -}}
{{- if kindIs "invalid" $on }}{{ $on = ne .Values.shape "sidecar" }}{{ end -}}
{{- if $on }}true{{ end -}}
{{- end }}

{{/* The ports of nats.url, joined by commas. */}}
{{- define "treble-bridge.natsPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.nats.url -}}
{{- $url := trimSuffix "/" (trim .) -}}
{{- $default := ternary "443" (ternary "80" "4222" (hasPrefix "ws://" $url)) (hasPrefix "wss://" $url) -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $url | trimPrefix ":" | default $default) -}}
{{- end -}}
{{- $ports | uniq | join "," -}}
{{- end }}
