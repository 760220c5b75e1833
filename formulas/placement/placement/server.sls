{%- from "placement/map.jinja" import server with context %}
{%- import_text "placement/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}

placement_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

placement_config:
  file.managed:
  - name: /etc/placement/placement.conf
  - source: salt://placement/files/placement.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: placement_packages

placement_uwsgi:
  file.managed:
  - name: /etc/placement/placement-api-uwsgi.ini
  - source: salt://placement/files/placement-api-uwsgi.ini
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: placement_packages

placement_default:
  file.managed:
  - name: /etc/default/placement-api
  - source: salt://placement/files/default
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: placement_packages

placement_syncdb:
  cmd.run:
  - name: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - env:
    - SCHEMA: {{ schema | json }}
  - runas: {{ server.user }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA" check
  - require:
    - file: placement_config

placement_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - require:
    - cmd: placement_syncdb
  - watch:
    - file: placement_config
    - file: placement_uwsgi
    - file: placement_default

{%- endif %}
