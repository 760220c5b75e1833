{%- from "opensdn/map.jinja" import roles with context %}
{%- from "opensdn/macros.jinja" import packages, files, services with context %}
{%- set role = roles.vrouter %}
{%- set names = ['contrail-vrouter-agent.conf'] %}
include:
- opensdn.common

{%- if role.get('enabled', False) %}
{{- packages('vrouter', role) }}
{{- files('vrouter', role, names) }}

opensdn_vrouter_options:
  file.managed:
  - name: /etc/modprobe.d/vrouter.conf
  - contents: |
      # Managed by Salt: opensdn.vrouter
      options vrouter vr_flow_entries={{ role.flow_entries }}
  - user: root
  - group: root
  - mode: '0644'

{#- The kernel's, built by dkms on the machine. #}
opensdn_vrouter_module:
  kmod.present:
  - name: vrouter
  - persist: True
  - require:
    - file: opensdn_vrouter_options
{{- services('vrouter', role, names) }}
{%- endif %}
