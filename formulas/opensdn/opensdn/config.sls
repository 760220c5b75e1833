{%- from "opensdn/map.jinja" import roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.config %}
{%- set names = ['contrail-api.conf', 'contrail-schema.conf', 'contrail-svc-monitor.conf'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('config', role) }}
{{- files('config', role, names) }}
{{- services('config', role, names) }}
{%- endif %}
