{%- from "opensdn/map.jinja" import roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.analytics %}
{%- set names = ['contrail-collector.conf', 'contrail-analytics-api.conf'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('analytics', role) }}
{{- files('analytics', role, names) }}
{{- services('analytics', role, names) }}
{%- endif %}
