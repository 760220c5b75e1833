{%- from "opensdn/map.jinja" import common, roles with context %}
{%- from "opensdn/macros.jinja" import packages with context %}
{%- set role = roles.cni %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('cni', role) }}

{#- The kubelet takes the first file in the order of names. #}
opensdn_cni_config:
  file.managed:
  - name: /etc/cni/net.d/10-contrail.conf
  - source: salt://opensdn/files/10-contrail.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - makedirs: True
{%- endif %}
