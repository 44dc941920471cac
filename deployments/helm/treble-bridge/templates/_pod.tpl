{{/* The metadata of a pod. A changed configuration or a secret of ours restarts it. */}}
{{- define "treble-bridge.podMetadata" -}}
labels:
  {{- include "treble-bridge.selector" . | nindent 2 }}
  {{- with .Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  checksum/config: {{ include "treble-bridge.config" . | sha256sum }}
  checksum/secrets: {{ list .Values.auth.tokens .Values.nats.token | toJson | sha256sum }}
  {{- with .Values.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{/* What the pods of every shape have in common, but for containers and volumes. */}}
{{- define "treble-bridge.podSpec" -}}
{{- $sidecar := eq .Values.shape "sidecar" -}}
serviceAccountName: {{ include "treble-bridge.serviceAccount" . }}
automountServiceAccountToken: {{ and $sidecar .Values.sidecar.automountServiceAccountToken }}
# Else a Service named treble-bridge would put TREBLE_BRIDGE_… into the environment.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add 5 (int .Values.drainSeconds) (int .Values.shutdownSeconds) (ternary (int .Values.sidecar.terminationSeconds) 0 $sidecar) }}
securityContext:
  runAsNonRoot: true
  {{- if eq (include "treble-bridge.ack" .) "journal" }}
  # The volume of the journal comes with this group, so that the bridge may write.
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.topologySpread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "treble-bridge.selector" . | nindent 8 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
