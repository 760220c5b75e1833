{%- from "neutron/map.jinja" import server with context %}

neutron_ovs_names:
  file.managed:
  - name: /usr/lib/python3/dist-packages/neutron_ovs_names.py
  - source: salt://neutron/files/neutron_ovs_names.py
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: {{ 'neutron_packages' if server.get('enabled', False) else 'neutron_metadata_packages' }}

neutron_ovs_names_loaded:
  file.managed:
  - name: /usr/lib/python3/dist-packages/neutron_ovs_names.pth
  - contents: import neutron_ovs_names
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - file: neutron_ovs_names
