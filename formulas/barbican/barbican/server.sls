{%- from "barbican/map.jinja" import roles, server with context %}
{%- import_text "barbican/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}

barbican_packages:
  pkg.installed:
  - names:
{%- for role in roles %}
{%- for name in server.pkgs[role] %}
    - {{ name }}
{%- endfor %}
{%- endfor %}
  - install_recommends: False

barbican_config:
  file.managed:
  - name: /etc/barbican/barbican.conf
  - source: salt://barbican/files/barbican.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: barbican_packages

barbican_uwsgi:
  file.managed:
  - name: /etc/barbican/barbican-api-uwsgi.ini
  - source: salt://barbican/files/barbican-api-uwsgi.ini
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: barbican_packages

{%- for role in roles %}

barbican_{{ role }}_default:
  file.managed:
  - name: /etc/default/{{ server.services[role] }}
  - source: salt://barbican/files/default
  - template: jinja
  - context: {role: {{ role }}}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: barbican_packages
{%- endfor %}

barbican_syncdb:
  cmd.run:
  - name: barbican-manage db upgrade
  - runas: {{ server.user }}
  - env:
    - SCHEMA: {{ schema | json }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - require:
    - file: barbican_config

{%- for role in roles %}

barbican_{{ role }}_service:
  service.running:
  - name: {{ server.services[role] }}
  - enable: True
  - require:
    - cmd: barbican_syncdb
  - watch:
    - file: barbican_config
    - file: barbican_{{ role }}_default
{%- if role == 'api' %}
    - file: barbican_uwsgi
{%- endif %}
{%- endfor %}

{%- endif %}
