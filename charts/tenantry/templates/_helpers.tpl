{{- define "tenantry.labels" -}}
app.kubernetes.io/name: tenantry
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tenantry.operator" -}}
app.kubernetes.io/name: tenantry
app.kubernetes.io/component: operator
{{- end }}

{{- define "tenantry.watchdog" -}}
app.kubernetes.io/name: tenantry
app.kubernetes.io/component: watchdog
{{- end }}

{{- define "tenantry.image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* A Pod as the Pod Security level `restricted` wants it. */ -}}
{{- define "tenantry.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "tenantry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* What the kubelet would mount by itself: the ServiceAccounts don't ask for it. */ -}}
{{- define "tenantry.tokenVolume" -}}
name: token
projected:
  defaultMode: 288 # 0440
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
          - key: ca.crt
            path: ca.crt
    - downwardAPI:
        items:
          - path: namespace
            fieldRef:
              fieldPath: metadata.namespace
{{- end }}

{{- define "tenantry.tokenMount" -}}
name: token
mountPath: /var/run/secrets/kubernetes.io/serviceaccount
readOnly: true
{{- end }}

{{- /* Where Pods sit: the same for operator and watchdog. */ -}}
{{- define "tenantry.place" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* Rules of a NetworkPolicy: names are asked for, and the API servers talked to. */ -}}
{{- define "tenantry.egress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{ include "tenantry.egressTo" .Values.networkPolicy.apiServer }}
{{- end }}

{{- define "tenantry.egressTo" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- end }}

{{- /* Arguments of an agent that say where its archive is, and who reaches it, as JSON. */ -}}
{{- define "tenantry.archive" -}}
{{- $archive := .audit.archive -}}
{{- $args := list (printf "--archive=%s" $archive.url) -}}
{{- with $archive.region }}{{ $args = append $args (printf "--region=%s" .) }}{{ end -}}
{{- $args = append $args (printf "--owner=%s" $archive.owner) -}}
{{- with $archive.role }}{{ $args = append $args (printf "--role=%s" .) }}{{ end -}}
{{- with $archive.readerRole }}{{ $args = append $args (printf "--reader-role=%s" .) }}{{ end -}}
{{- with $archive.externalId }}{{ $args = append $args (printf "--external-id=%s" .) }}{{ end -}}
{{- $args = append $args (printf "--log-key=/etc/tenantry-audit/%s" .key) -}}
{{- $args = append $args "--witness-key=/etc/tenantry-audit/witness.pub" -}}
{{- if ne (int $archive.lockDays) 365 }}{{ $args = append $args (printf "--lock-days=%d" (int $archive.lockDays)) }}{{ end -}}
{{- with $archive.endpoint }}{{ $args = append $args (printf "--endpoint=%s" .) }}{{ end -}}
{{- if $archive.pathStyle }}{{ $args = append $args "--path-style" }}{{ end -}}
{{- with $archive.tokenService }}{{ $args = append $args (printf "--token-service=%s" .) }}{{ end -}}
{{- if $archive.credentialsSecret }}{{ $args = append $args "--credentials=/etc/tenantry-archive/writer" }}{{ end -}}
{{- if $archive.readerCredentialsSecret }}{{ $args = append $args "--reader-credentials=/etc/tenantry-archive/reader" }}{{ end -}}
{{- toJson $args -}}
{{- end }}
