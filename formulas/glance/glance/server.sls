{%- from "glance/map.jinja" import server with context %}
{%- import_text "glance/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}

glance_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

glance_config:
  file.managed:
  - name: /etc/glance/glance-api.conf
  - source: salt://glance/files/glance-api.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: glance_packages

glance_default:
  file.managed:
  - name: /etc/default/glance-api
  - source: salt://glance/files/default
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: glance_packages

glance_image_directory:
  file.directory:
  - name: {{ server.storage.location }}
  - user: {{ server.user }}
  - group: {{ server.user }}
  - mode: '0750'
  - require:
    - pkg: glance_packages

glance_work_directory:
  file.directory:
  - name: {{ server.work_dir }}
  - user: {{ server.user }}
  - group: {{ server.user }}
  - mode: '0750'
  - require:
    - pkg: glance_packages

{#- It never contracts: an older Glance may still run beside this one. #}
glance_syncdb:
  cmd.run:
  - name: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - env:
    - SCHEMA: {{ schema | json }}
  - runas: {{ server.user }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA" check
  - require:
    - file: glance_config

glance_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - require:
    - cmd: glance_syncdb
    - file: glance_image_directory
    - file: glance_work_directory
  - watch:
    - file: glance_config
    - file: glance_default

{%- endif %}
