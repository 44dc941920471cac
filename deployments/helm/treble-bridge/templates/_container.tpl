{{/*
The bridge's container, the same in every shape. In a sidecar it is an init
container with restartPolicy Always: Kubernetes starts it before the
application's containers and ends it after them.
*/}}
{{- define "treble-bridge.container" -}}
{{- $embedded := .Values.nats.embedded -}}
name: treble-bridge
{{- if .Values.image.digest }}
image: {{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}
{{- else }}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq .Values.shape "sidecar" }}
restartPolicy: Always
{{- end }}
args: [serve]
env:
  - name: TREBLE_BRIDGE_CONFIG
    value: /etc/treble-bridge/config/bridge.yaml
ports:
  - {name: treble-http, containerPort: 8080, protocol: TCP}
  - {name: treble-ops, containerPort: 9464, protocol: TCP}
  {{- if $embedded }}
  - {name: treble-nats, containerPort: 4222, protocol: TCP}
  {{- end }}
# Alive as soon as the journal is read, whatever NATS does: what waits for this
# must not wait for NATS.
startupProbe:
  httpGet: {path: /livez, port: treble-ops}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: {{ div (add (int .Values.startupSeconds) 1) 2 }}
# It looks at neither NATS nor the disk: a restart would mend neither.
livenessProbe:
  httpGet: {path: /livez, port: treble-ops}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- if or (ne .Values.shape "sidecar") .Values.sidecar.gatesPod }}
# 200 ready; 200 degraded: events are taken, and somebody should look; 503 unready.
readinessProbe:
  httpGet: {path: /readyz, port: treble-ops}
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 2
{{- end }}
# Treble documents no second attempt, so the door stays open until no balancer
# sends anybody here any more.
lifecycle:
  preStop:
    sleep: {seconds: {{ int .Values.drainSeconds }}}
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  - {name: treble-bridge-config, mountPath: /etc/treble-bridge/config, readOnly: true}
  {{- if include "treble-bridge.authSecret" . }}
  - {name: treble-bridge-auth, mountPath: /etc/treble-bridge/auth, readOnly: true}
  {{- end }}
  {{- if and (include "treble-bridge.natsCredential" .) (include "treble-bridge.natsSecret" .) }}
  - {name: treble-bridge-nats, mountPath: /etc/treble-bridge/nats, readOnly: true}
  {{- end }}
  {{- if .Values.nats.tls.existingSecret }}
  - {name: treble-bridge-nats-tls, mountPath: /etc/treble-bridge/nats-tls, readOnly: true}
  {{- end }}
  - {name: treble-bridge-data, mountPath: /data}
{{- end }}

{{/*
The bridge's volumes but for the claims of a StatefulSet. Secrets are readable
for all users of a container that mounts them, which is the bridge's alone; so
they need no fsGroup in the pod of an application.
*/}}
{{- define "treble-bridge.volumes" -}}
- name: treble-bridge-config
  configMap: {name: {{ include "treble-bridge.name" . }}}
{{- with include "treble-bridge.authSecret" . }}
- name: treble-bridge-auth
  secret: {secretName: {{ . }}, defaultMode: 0444}
{{- end }}
{{- if include "treble-bridge.natsCredential" . }}
{{- with include "treble-bridge.natsSecret" . }}
- name: treble-bridge-nats
  secret: {secretName: {{ . }}, defaultMode: 0444}
{{- end }}
{{- end }}
{{- with .Values.nats.tls.existingSecret }}
- name: treble-bridge-nats-tls
  secret: {secretName: {{ . }}, defaultMode: 0444}
{{- end }}
{{- if eq .Values.shape "standalone" }}
{{- else if eq (include "treble-bridge.ack" .) "journal" }}
- name: treble-bridge-data
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | default (include "treble-bridge.name" .) }}}
{{- else }}
# Nothing that a promise rests on: addr.json, and what is too large for NATS, at
# most 1 GiB, which the sender was told of with a 413.
- name: treble-bridge-data
  emptyDir: {sizeLimit: 2Gi}
{{- end }}
{{- end }}
