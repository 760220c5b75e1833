{%- from "opensdn/map.jinja" import roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.webui %}
{%- set names = ['config.global.js', 'contrail-webui-userauth.js'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('webui', role) }}
{{- files('webui', role, names) }}
{{- services('webui', role, names) }}
{%- endif %}
