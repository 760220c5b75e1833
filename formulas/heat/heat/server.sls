{%- from "heat/map.jinja" import server with context %}
{%- import_text "heat/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}

heat_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

heat_config:
  file.managed:
  - name: /etc/heat/heat.conf
  - source: salt://heat/files/heat.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: heat_packages

{%- for name in ['api', 'cfn'] %}

heat_{{ name }}_uwsgi:
  file.managed:
  - name: /etc/heat/{{ server.services[name] }}-uwsgi.ini
  - source: salt://heat/files/uwsgi.ini
  - template: jinja
  - context: {service: {{ server.services[name] }}, app: {{ {'api': 'heat-wsgi-api', 'cfn': 'heat-wsgi-api-cfn'}[name] }}}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: heat_packages
{%- endfor %}

{%- for name, service in server.services | dictsort %}

heat_{{ name }}_default:
  file.managed:
  - name: /etc/default/{{ service }}
  - source: salt://heat/files/default
  - template: jinja
  - context:
      service: {{ service }}
      port: {{ {'api': server.bind.port, 'cfn': server.bind.cfn_port, 'engine': 0}[name] }}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: heat_packages
{%- endfor %}

heat_syncdb:
  cmd.run:
  - name: heat-manage --config-file /etc/heat/heat.conf db_sync
  - runas: {{ server.user }}
  - env:
    - SCHEMA: {{ schema | json }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - require:
    - file: heat_config

{#- In the order of an upgrade: the engine first. #}
{%- for name in ['engine', 'api', 'cfn'] %}

heat_{{ name }}_service:
  service.running:
  - name: {{ server.services[name] }}
  - enable: True
  - require:
    - cmd: heat_syncdb
  - watch:
    - file: heat_config
    - file: heat_{{ name }}_default
{%- if name != 'engine' %}
    - file: heat_{{ name }}_uwsgi
{%- endif %}
{%- endfor %}

{%- endif %}
