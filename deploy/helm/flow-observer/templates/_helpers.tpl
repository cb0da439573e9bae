{{/*
All names are fixed. A second agent on a node would exit with an error, so a second release makes no sense, and documents
and commands use these names.
*/}}
{{- define "flow-observer.labels" -}}
app.kubernetes.io/name: flow-observer
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "flow-observer.selector" -}}
app.kubernetes.io/name: flow-observer
{{- end }}

{{/* The scheme of the agents' HTTP server, in lower case. */}}
{{- define "flow-observer.scheme" -}}
{{ ternary "https" "http" (ne .Values.tls.secretName "") }}
{{- end }}

{{/* Where a probe asks, after the path. */}}
{{- define "flow-observer.probe" -}}
port: http
{{- if .Values.tls.secretName }}
scheme: HTTPS
{{- end }}
{{- end }}

{{/* An endpoint of a monitor, whose values are given. */}}
{{- define "flow-observer.endpoint" -}}
- port: http
  path: /metrics
  interval: {{ .monitor.interval }}
  {{- if eq .scheme "https" }}
  scheme: https
  {{- end }}
  {{- with .monitor.tlsConfig }}
  tlsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
