{%- from "opensdn/map.jinja" import roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.queryengine %}
{%- set names = ['contrail-query-engine.conf'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('queryengine', role) }}
{{- files('queryengine', role, names) }}
{{- services('queryengine', role, names) }}
{%- endif %}
