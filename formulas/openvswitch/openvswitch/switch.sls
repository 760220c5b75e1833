{%- from "openvswitch/map.jinja" import switch with context %}
{%- if switch.get('enabled', False) %}

openvswitch_packages:
  pkg.installed:
  - names: {{ switch.pkgs | json }}
  - install_recommends: False

openvswitch_settings_script:
  file.managed:
  - name: {{ switch.settings }}
  - source: salt://openvswitch/files/settings.sh
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: openvswitch_packages

{#- ovs-ctl, which the units call, tells this name to the database at each start. #}
openvswitch_system_id:
  file.managed:
  - name: {{ switch.system_id_file }}
  - contents: {{ switch.system_id | json }}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: openvswitch_packages

openvswitch_database:
  service.running:
  - name: {{ switch.services[0] }}
  - enable: True
  - require:
    - pkg: openvswitch_packages

openvswitch_settings:
  cmd.run:
  - name: sh {{ switch.settings }}
  - unless: sh {{ switch.settings }} check
  - require:
    - file: openvswitch_settings_script
    - file: openvswitch_system_id
    - service: openvswitch_database

{#- It takes some of the settings only when it starts. #}
openvswitch_forwarding:
  service.running:
  - name: {{ switch.services[1] }}
  - enable: True
  - watch:
    - cmd: openvswitch_settings

openvswitch_addresses:
  cmd.run:
  - name: sh {{ switch.settings }} addresses
  - unless: sh {{ switch.settings }} addresses check
  - require:
    - service: openvswitch_forwarding

{%- endif %}
