{%- from "nova/map.jinja" import controller, compute with context %}
{%- set pkgs = (controller.pkgs if controller.get('enabled', False) else []) + (compute.pkgs if compute.get('enabled', False) else []) %}

nova_packages:
  pkg.installed:
  - names: {{ pkgs | unique | json }}
  - install_recommends: False

nova_config:
  file.managed:
  - name: /etc/nova/nova.conf
  - source: salt://nova/files/nova.conf
  - template: jinja
  - user: root
  - group: {{ controller.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: nova_packages
