{%- from "opensdn/map.jinja" import common, roles with context %}
{%- from "opensdn/macros.jinja" import packages with context %}
{%- set role = roles.plugin %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('plugin', role) }}

opensdn_plugin_config:
  file.managed:
  - name: /etc/neutron/plugins/opencontrail/ContrailPlugin.ini
  - source: salt://opensdn/files/ContrailPlugin.ini
  - template: jinja
  - user: root
  - group: {{ role.user }}
  - mode: '0640'
  - makedirs: True
  - show_changes: False
{%- if common.source == 'package' and role.pkgs %}
  - require:
    - pkg: opensdn_plugin_packages
{%- endif %}
{%- endif %}
