{{- define "insitu.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "insitu.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "insitu.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "insitu.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "insitu.webhookName" -}}
{{ include "insitu.fullname" . }}-webhook
{{- end }}

{{- define "insitu.serviceAccountName" -}}
{{- default (include "insitu.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "insitu.selectorLabels" -}}
app.kubernetes.io/name: {{ include "insitu.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "insitu.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "insitu.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "insitu.image" -}}
{{- $repository := required "image.repository must be set: no image of insitu is published yet; \"make image\" builds one into .bin/insitu.tar, for a registry of yours" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}
