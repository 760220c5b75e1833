{%- from "opensdn/map.jinja" import common, roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.control %}
{%- set names = ['contrail-control.conf', 'contrail-dns.conf', 'contrail-rndc.conf'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('control', role) }}
{{- files('control', role, names) }}

{#- contrail-dns writes here what contrail-named reads. #}
opensdn_dns_folder:
  file.directory:
  - name: {{ role.dns_folder }}
  - user: {{ common.user }}
  - group: {{ common.user }}
  - mode: '0750'
  - makedirs: True
{%- if common.source == 'package' and role.pkgs %}
  - require:
    - pkg: opensdn_control_packages
{%- endif %}
{{- services('control', role, names) }}
{%- endif %}
