{%- from "cinder/map.jinja" import controller with context %}
{%- import_text "cinder/files/schema.py" as schema %}
{%- if controller.get('enabled', False) %}
include:
- cinder.common

cinder_controller_packages:
  pkg.installed:
  - names: {{ controller.pkgs | json }}
  - install_recommends: False

cinder_uwsgi:
  file.managed:
  - name: /etc/cinder/cinder-api-uwsgi.ini
  - source: salt://cinder/files/cinder-api-uwsgi.ini
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: cinder_controller_packages

{%- for service in controller.services.values() %}

{{ service }}_default:
  file.managed:
  - name: /etc/default/{{ service }}
  - source: salt://cinder/files/default
  - template: jinja
  - context: {service: {{ service }}}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: cinder_controller_packages
{%- endfor %}

cinder_syncdb:
  cmd.run:
  - name: cinder-manage --config-file /etc/cinder/cinder.conf db sync
  - runas: {{ controller.user }}
  - env:
    - SCHEMA: {{ schema | json }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - require:
    - file: cinder_config
    - file: cinder_lock_directory
    - pkg: cinder_controller_packages

{#- In the order of an upgrade: the scheduler, the volumes, the API last. #}
{%- for service in [controller.services.scheduler, controller.services.api] %}

{{ service }}_service:
  service.running:
  - name: {{ service }}
  - enable: True
{%- if service == controller.services.api %}
  - order: last
{%- endif %}
  - require:
    - cmd: cinder_syncdb
    - file: cinder_lock_directory
  - watch:
    - file: cinder_config
    - file: cinder_notifications
    - file: {{ service }}_default
{%- if service == controller.services.api %}
    - file: cinder_uwsgi
{%- endif %}
{%- endfor %}

{%- endif %}
