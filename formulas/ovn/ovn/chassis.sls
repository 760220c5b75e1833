{%- from "ovn/map.jinja" import chassis with context %}
{%- if chassis.get('enabled', False) %}

ovn_chassis_packages:
  pkg.installed:
  - names: {{ chassis.pkgs | json }}
  - install_recommends: False

ovn_chassis_settings_script:
  file.managed:
  - name: {{ chassis.settings }}
  - source: salt://ovn/files/settings.sh
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - makedirs: True
  - require:
    - pkg: ovn_chassis_packages

ovn_chassis_settings:
  cmd.run:
  - name: sh {{ chassis.settings }}
  - unless: sh {{ chassis.settings }} check
  - require:
    - file: ovn_chassis_settings_script
{%- if pillar.get('openvswitch', {}).get('switch', {}).get('enabled', False) %}
    - service: openvswitch_forwarding
{%- endif %}

{#- It follows the settings while it runs. #}
ovn_chassis_service:
  service.running:
  - name: {{ chassis.service }}
  - enable: True
  - require:
    - cmd: ovn_chassis_settings

{%- endif %}
