{%- from "redis/map.jinja" import server with context %}
{%- if server.enabled %}

redis_packages:
  pkg.installed:
  - names: {{ server.pkgs }}

{%- for name, value in server.sysctl.items() %}

redis_sysctl_{{ name }}:
  sysctl.present:
  - name: {{ name }}
  - value: {{ value }}
  - require_in:
    - service: redis_service
{%- endfor %}

redis_config:
  file.managed:
  - name: {{ server.config }}
  - source: salt://redis/files/redis.conf
  - template: jinja
  - user: {{ server.user }}
  - group: {{ server.user }}
  - mode: 640
  - require:
    - pkg: redis_packages

redis_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: redis_config

{%- for name, value in server['keys'].items() %}

redis_key_{{ name }}:
  cmd.run:
  - name: redis-cli -p {{ server.bind.port }} set {{ name }} "{{ value }}"
  - unless: test "$(redis-cli -p {{ server.bind.port }} get {{ name }})" = "{{ value }}"
  - env:
    - REDISCLI_AUTH: {{ server.password }}
  - require:
    - service: redis_service
{%- endfor %}

{%- endif %}
