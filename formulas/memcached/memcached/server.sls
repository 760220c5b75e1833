{%- from "memcached/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}

memcached_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

memcached_config:
  file.managed:
  - name: {{ server.config }}
  - source: salt://memcached/files/memcached.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: memcached_packages

memcached_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: memcached_config

{%- endif %}
