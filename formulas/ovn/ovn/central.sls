{%- from "ovn/map.jinja" import central with context %}
{%- if central.get('enabled', False) %}

ovn_central_packages:
  pkg.installed:
  - names: {{ central.pkgs | json }}
  - install_recommends: False

ovn_central_options:
  file.managed:
  - name: /etc/default/ovn-central
  - source: salt://ovn/files/ovn-central
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: ovn_central_packages

ovn_central_directory:
  file.directory:
  - name: {{ central.data_dir }}
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: ovn_central_packages
{%- for service in central.services %}

{{ service }}:
  service.running:
  - enable: True
  - require:
    - file: ovn_central_directory
{%- if service == 'ovn-northd' %}
    - service: {{ central.services[0] }}
    - service: {{ central.services[1] }}
{%- endif %}
  - watch:
    - file: ovn_central_options
{%- endfor %}

{%- endif %}
