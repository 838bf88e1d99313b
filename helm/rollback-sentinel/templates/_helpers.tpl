{{- define "rollback-sentinel.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "rollback-sentinel.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rollback-sentinel.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rollback-sentinel.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rollback-sentinel.testSelectorLabels" -}}
app.kubernetes.io/name: {{ include "rollback-sentinel.name" . | trunc 58 }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rollback-sentinel.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "rollback-sentinel.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* How many replicas: replicas is the old name of replicaCount. */}}
{{- define "rollback-sentinel.replicas" -}}
{{- if hasKey .Values "replicas" }}{{ int .Values.replicas }}{{ else }}{{ int .Values.replicaCount }}{{ end }}
{{- end }}

{{/* The Secrets with which images are pulled: image.pullSecrets is the old name, with names alone. */}}
{{- define "rollback-sentinel.pullSecrets" -}}
{{- $secrets := .Values.imagePullSecrets }}
{{- range .Values.image.pullSecrets }}
{{- $secrets = append $secrets (dict "name" .) }}
{{- end }}
{{- if $secrets }}
imagePullSecrets: {{- toYaml $secrets | nindent 2 }}
{{- end }}
{{- end }}

{{- define "rollback-sentinel.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "rollback-sentinel.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is missing: with serviceAccount.create false the chart must know which account to use" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "rollback-sentinel.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "rollback-sentinel.rulesConfigMap" -}}
{{- default (printf "%s-rules" (include "rollback-sentinel.fullname" .)) .Values.rules.existingConfigMap }}
{{- end }}

{{/* Whether messages in Slack have buttons: then commands are made for those who press them. */}}
{{- define "rollback-sentinel.slackButtons" -}}
{{- if or .Values.slack.appTokenKey .Values.slack.signingSecretKey }}yes{{ end }}
{{- end }}

{{/* Whether people may write on the page. */}}
{{- define "rollback-sentinel.pageWrites" -}}
{{- if and .Values.ui.enabled .Values.ui.writes.proxies }}yes{{ end }}
{{- end }}

{{/* The prefixes of the people in whose names the sentinel makes commands, because they have no account here. */}}
{{- define "rollback-sentinel.askers" -}}
{{- $askers := list }}
{{- if include "rollback-sentinel.slackButtons" . }}{{ $askers = append $askers "slack" }}{{ end }}
{{- if include "rollback-sentinel.pageWrites" . }}{{ $askers = append $askers "web" }}{{ end }}
{{- join "|" $askers }}
{{- end }}

{{/* The verbs in a namespace; config/rbac.yaml and those beside it have the same with the reason for each. */}}
{{- define "rollback-sentinel.rules" -}}
{{- $deployments := or (has "Deployment" .Values.watchKinds) (has "CanaryPair" .Values.watchKinds) (has "BlueGreen" .Values.watchKinds) }}
{{- if $deployments }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if has "Rollout" .Values.watchKinds }}
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [argoproj.io]
  resources: [rollouts/status]
  verbs: [patch]
{{- if not $deployments }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [patch]
{{- end }}
{{- end }}
{{- if or $deployments (has "Rollout" .Values.watchKinds) }}
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
{{- end }}
{{- if has "StatefulSet" .Values.watchKinds }}
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, delete]
{{- end }}
{{- if has "DaemonSet" .Values.watchKinds }}
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [get, list, watch, patch]
{{- end }}
{{- if or (has "StatefulSet" .Values.watchKinds) (has "DaemonSet" .Values.watchKinds) }}
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch]
{{- end }}
{{- if has "BlueGreen" .Values.watchKinds }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, patch]
{{- end }}
{{- range .Values.watchRoutes }}
- apiGroups: [{{ get (dict "VirtualService" "networking.istio.io" "TraefikService" "traefik.io") . | default "gateway.networking.k8s.io" }}]
  resources: [{{ lower . }}s]
  verbs: [get, list, watch, patch]
{{- end }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- if .Values.config.configMaps }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [serviceaccounts, persistentvolumeclaims]
  verbs: [get]
{{- end }}
{{- if .Values.config.secrets }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.config.restore }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [patch]
{{- end }}
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutrecords]
  verbs: [get, list, watch, create, delete]
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutrecords/status]
  verbs: [update, patch]
- apiGroups: [rollback-sentinel.dev]
  resources: [rollouthistories]
  verbs: [get, list, create, update]
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutcommands]
  verbs: [list, watch, delete]
{{- if include "rollback-sentinel.askers" . }}
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutcommands]
  verbs: [create]
{{- end }}
{{- if eq (include "rollback-sentinel.gateJobs" .) "everywhere" }}
{{- include "rollback-sentinel.jobRules" . }}
{{- end }}
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutcommands/status]
  verbs: [update]
{{- if include "rollback-sentinel.policyObjects" . }}
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutpolicies]
  verbs: [list, watch]
- apiGroups: [rollback-sentinel.dev]
  resources: [rolloutpolicies/status]
  verbs: [patch]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- if not (dig "gitops" "namespaces" list .Values.settings) }}
{{- include "rollback-sentinel.gitopsRules" . }}
{{- end }}
{{- end }}

{{/* Where Jobs of gates may be run: everywhere that workloads are guarded, in the namespaces that are named, or nowhere. */}}
{{- define "rollback-sentinel.gateJobs" -}}
{{- if dig "gates" "jobs" "enabled" false .Values.settings }}
{{- ternary "named" "everywhere" (gt (len (dig "gates" "jobs" "namespaces" list .Values.settings)) 0) }}
{{- end }}
{{- end }}

{{/* Whether what deploys workloads from Git is held: then its objects are read and patched. */}}
{{- define "rollback-sentinel.gitops" -}}
{{- if or (dig "gitops" "argocd" false .Values.settings) (dig "gitops" "flux" false .Values.settings) }}yes{{ end }}
{{- end }}

{{/* The annotations of what runs after an uninstallation, in this order. */}}
{{- define "rollback-sentinel.uninstallHook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* config/rbac-argocd.yaml and config/rbac-flux.yaml have the same. */}}
{{- define "rollback-sentinel.gitopsRules" }}
{{- if dig "gitops" "argocd" false .Values.settings }}
- apiGroups: [argoproj.io]
  resources: [applications]
  verbs: [get, list, watch, patch]
- apiGroups: [argoproj.io]
  resources: [applicationsets]
  verbs: [list, watch]
{{- end }}
{{- if dig "gitops" "flux" false .Values.settings }}
- apiGroups: [kustomize.toolkit.fluxcd.io]
  resources: [kustomizations]
  verbs: [get, list, watch{{ if dig "gitops" "reconcile" true .Values.settings }}, patch{{ end }}]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, list, watch, patch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories]
  verbs: [get]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [helmcharts, ocirepositories]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{/* config/rbac-jobs.yaml has the same. */}}
{{- define "rollback-sentinel.jobRules" }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, delete]
{{- end }}

{{/* Whether policies that are objects are watched. */}}
{{- define "rollback-sentinel.policyObjects" -}}
{{- if dig "policies" "objects" "enabled" true .Values.settings }}yes{{ end }}
{{- end }}

{{/* What is in no namespace, beside the nodes. */}}
{{- define "rollback-sentinel.clusterPolicyRules" -}}
{{- if include "rollback-sentinel.policyObjects" . }}
- apiGroups: [rollback-sentinel.dev]
  resources: [clusterrolloutpolicies]
  verbs: [list, watch]
- apiGroups: [rollback-sentinel.dev]
  resources: [clusterrolloutpolicies/status]
  verbs: [patch]
{{- end }}
{{- end }}

{{- define "rollback-sentinel.nodeRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}

{{/* Where people reach the page: as the values say, or the Ingress or the HTTPRoute has it; else empty. */}}
{{- define "rollback-sentinel.pageUrl" -}}
{{- if .Values.ui.url }}
{{- .Values.ui.url }}
{{- else if and .Values.ui.ingress.enabled .Values.ui.ingress.host }}
{{- printf "%s://%s" (ternary "https" "http" (ne .Values.ui.ingress.tlsSecret "")) .Values.ui.ingress.host }}
{{- else if and .Values.ui.httpRoute.enabled .Values.ui.httpRoute.hostnames }}
{{- $host := first .Values.ui.httpRoute.hostnames }}
{{- if not (hasPrefix "*" $host) }}{{ printf "https://%s" $host }}{{ end }}
{{- end }}
{{- end }}

{{/* The settings file: the values, and over them what the chart itself decides. */}}
{{- define "rollback-sentinel.settings" -}}
{{- $chart := dict "http" (dict "port" 8080) "rules" (dict "paths" (list "/etc/rollback-sentinel/rules")) }}
{{- $secrets := "/etc/rollback-sentinel/secrets" }}
{{- if .Values.settings.leadership.enabled }}
{{- $_ := set $chart "leadership" (dict "name" (include "rollback-sentinel.fullname" . | replace "." "-") "namespace" .Release.Namespace) }}
{{- else if or (gt (int (include "rollback-sentinel.replicas" .)) 1) (ne .Values.strategy.type "Recreate") }}
{{- fail "settings.leadership.enabled is false: two sentinels at once would both act; set replicaCount to 1 and strategy to {type: Recreate, rollingUpdate: null}, or leave it true" }}
{{- end }}
{{- $_ := set $chart "kubernetes" (dict "kinds" .Values.watchKinds "routes" .Values.watchRoutes "watch_config_maps" .Values.config.configMaps "watch_secrets" .Values.config.secrets) }}
{{- if .Values.watchNamespaces }}
{{- $_ := set $chart.kubernetes "namespaces" .Values.watchNamespaces }}
{{- end }}
{{- if .Values.policyWebhook.enabled }}
{{- $_ := set $chart "policies" (dict "objects" (dict "admission" true)) }}
{{- end }}
{{- $ui := dict "enabled" .Values.ui.enabled "port" .Values.ui.port "host" (ternary "0.0.0.0" "127.0.0.1" .Values.ui.exposed) }}
{{- if .Values.ui.existingSecret }}
{{- $_ := set $ui "username" .Values.ui.username }}
{{- $_ := set $ui "password_file" (printf "%s/ui/password" $secrets) }}
{{- else if and .Values.ui.exposed (not .Values.ui.authenticatedByProxy) }}
{{- fail "ui.existingSecret is missing: ui.exposed would show every rollout to anyone; name the Secret of a password, or set ui.authenticatedByProxy" }}
{{- end }}
{{- if and (or .Values.ui.ingress.enabled .Values.ui.httpRoute.enabled) (not .Values.ui.exposed) }}
{{- fail "ui.exposed is false: ui.ingress and ui.httpRoute need the page on the Service; set it to true" }}
{{- end }}
{{- if include "rollback-sentinel.pageWrites" . }}
{{- if not (or .Values.ui.writes.groups .Values.ui.writes.users) }}
{{- fail "ui.writes.groups are missing: without groups or users nobody may write; write {oncall: [\"*\"]}" }}
{{- end }}
{{- if and .Values.ui.exposed (not .Values.ui.ingressFrom) }}
{{- fail "ui.ingressFrom is missing: with ui.writes only the proxy may reach the page; name its pods" }}
{{- end }}
{{- end }}
{{- $writes := .Values.ui.writes }}
{{- $_ := set $ui "writes" (dict "proxies" $writes.proxies "user_header" $writes.userHeader "groups_header" $writes.groupsHeader "users" $writes.users "groups" $writes.groups) }}
{{- with include "rollback-sentinel.pageUrl" . }}
{{- $_ := set $ui "url" . }}
{{- end }}
{{- $_ := set $chart "ui" $ui }}
{{- if .Values.metrics.doraRules.enabled }}
{{- $_ := set $chart "dora" (dict "metrics" true) }}
{{- end }}
{{- $slack := dict }}
{{- if .Values.slack.channel }}
{{- $_ := set $slack "channel" .Values.slack.channel }}
{{- end }}
{{- if .Values.slack.existingSecret }}
{{- $_ := required "slack.channel is missing: a token alone says not where to write; write \"#deploys\"" .Values.slack.channel }}
{{- $_ := set $slack "token_file" (printf "%s/slack/token" $secrets) }}
{{- end }}
{{- if include "rollback-sentinel.slackButtons" . }}
{{- $_ := required "slack.existingSecret is missing: buttons need the bot's messages" .Values.slack.existingSecret }}
{{- if and .Values.slack.appTokenKey .Values.slack.signingSecretKey }}
{{- fail "slack.appTokenKey and slack.signingSecretKey exclude each other: keep the first for Socket Mode, or the second for posts" }}
{{- end }}
{{- $approvers := dig "slack" "approvers" dict .Values.settings }}
{{- if not (or (dig "users" list $approvers) (dig "groups" list $approvers)) }}
{{- fail "settings.slack.approvers are missing: without them nobody may press a button; write {users: [U024BE7LH]}" }}
{{- end }}
{{- if .Values.slack.appTokenKey }}
{{- $_ := set $slack "app_token_file" (printf "%s/slack/app-token" $secrets) }}
{{- else }}
{{- $_ := set $slack "signing_secret_file" (printf "%s/slack/signing-secret" $secrets) }}
{{- end }}
{{- end }}
{{- if $slack }}
{{- $_ := set $chart "slack" $slack }}
{{- end }}
{{- if .Values.datadog.existingSecret }}
{{- $_ := set $chart "datadog" (dict "api_key_file" (printf "%s/datadog/api-key" $secrets) "app_key_file" (printf "%s/datadog/app-key" $secrets)) }}
{{- end }}
{{- if .Values.prometheus.existingSecret }}
{{- if not (dig "prometheus" "url" "" .Values.settings) }}
{{- fail "settings.prometheus.url is missing: prometheus.existingSecret has a token for it; write http://prometheus.monitoring:9090" }}
{{- end }}
{{- $_ := set $chart "prometheus" (dict "bearer_token_file" (printf "%s/prometheus/token" $secrets)) }}
{{- end }}
{{- $webhook := dict }}
{{- if .Values.webhook.existingSecret }}
{{- $_ := set $webhook "token_file" (printf "%s/webhook/token" $secrets) }}
{{- end }}
{{- $tokens := list }}
{{- range $index, $token := .Values.webhook.tokens }}
{{- $tokens = append $tokens (dict "token_file" (printf "%s/webhook-%d/token" $secrets $index) "namespaces" $token.namespaces) }}
{{- end }}
{{- if $tokens }}
{{- $_ := set $webhook "tokens" $tokens }}
{{- end }}
{{- if $webhook }}
{{- $_ := set $chart.http "webhook" $webhook }}
{{- end }}
{{- if .Values.tls.existingSecret }}
{{- $tls := dict "cert_file" (printf "%s/tls/tls.crt" $secrets) "key_file" (printf "%s/tls/tls.key" $secrets) }}
{{- if .Values.tls.clientCa }}
{{- $_ := set $tls "client_ca_file" (printf "%s/tls/ca.crt" $secrets) }}
{{- end }}
{{- $_ := set $chart.http "tls" $tls }}
{{- else if .Values.tls.clientCa }}
{{- fail "tls.existingSecret is missing: tls.clientCa needs the Secret that has ca.crt beside the server's certificate" }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.settings) $chart) }}
{{- end }}

{{- define "rollback-sentinel.scheme" -}}
{{- ternary "https" "http" (ne .Values.tls.existingSecret "") }}
{{- end }}

{{/* The port of an address: the one that it names, or its scheme's; nothing for none. */}}
{{- define "rollback-sentinel.port" -}}
{{- if . }}
{{- $host := (urlParse .).host }}
{{- if regexMatch ":[0-9]+$" $host }}
{{- regexFind "[0-9]+$" $host }}
{{- else }}
{{- ternary "443" "80" (hasPrefix "https://" .) }}
{{- end }}
{{- end }}
{{- end }}
