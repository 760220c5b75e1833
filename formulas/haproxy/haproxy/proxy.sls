{%- from "haproxy/map.jinja" import proxy with context %}
{%- if proxy.get('enabled', False) %}

haproxy_packages:
  pkg.installed:
  - names: {{ proxy.pkgs | json }}
  - install_recommends: False

haproxy_config:
  file.managed:
  - name: {{ proxy.config }}
  - source: salt://haproxy/files/haproxy.cfg
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: haproxy_packages

haproxy_server_script:
  file.managed:
  - name: {{ proxy.script }}
  - source: salt://haproxy/files/haproxy-server
  - template: jinja
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: haproxy_packages

haproxy_service:
  service.running:
  - name: {{ proxy.service }}
  - enable: True
  - reload: True
  - require:
    - file: haproxy_server_script
  - watch:
    - file: haproxy_config

{%- endif %}
