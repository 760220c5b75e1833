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
{%- set server = pillar.get('neutron', {}).get('server', {}).get('enabled', False) %}
{%- set packages = (['opensdn_plugin_packages'] if common.source == 'package' and role.pkgs else []) + (['neutron_packages'] if server else []) %}
{%- if packages %}
  - require:
{%- for name in packages %}
    - pkg: {{ name }}
{%- endfor %}
{%- endif %}
{%- if server %}
  - require_in:
    - cmd: neutron_syncdb
  - watch_in:
    - service: neutron_service
{%- endif %}
{%- endif %}
