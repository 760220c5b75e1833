{%- from "neutron/map.jinja" import alone, server with context %}
{%- import_text "neutron/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}
{%- set names = alone and server.backend.engine == 'ovn' %}
{#- OpenSDN's formula brings the file of its plugin. #}
{%- set ml2 = server.backend.engine != 'opensdn' %}
{%- if names %}
include:
- neutron.names
{%- endif %}

neutron_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

neutron_config:
  file.managed:
  - name: /etc/neutron/neutron.conf
  - source: salt://neutron/files/neutron.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: neutron_packages
{%- if ml2 %}

neutron_ml2:
  file.managed:
  - name: {{ server.backend.config_file }}
  - source: salt://neutron/files/ml2_conf.ini
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - makedirs: True
  - require:
    - pkg: neutron_packages
{%- endif %}

neutron_default:
  file.managed:
  - name: /etc/default/neutron-server
  - source: salt://neutron/files/default
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_packages
{%- if not server.alone %}

neutron_uwsgi:
  file.managed:
  - name: /etc/neutron/neutron-api-uwsgi.ini
  - source: salt://neutron/files/neutron-api-uwsgi.ini
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_packages
{%- for service in server.workers_services %}

neutron_default_{{ service }}:
  file.managed:
  - name: /etc/default/{{ service }}
  - contents: |
      # Managed by Salt: neutron.server
      # Read by /etc/init.d/{{ service }}; the unit calls it with systemd-start and keeps what goes to stderr.
      if [ "$1" = systemd-start ]; then
        USE_LOGFILE=no
      fi
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_packages
{%- endfor %}
{%- endif %}

{%- if 'neutron_ovn_datapath.Plugin' in server.service_plugins %}

neutron_datapath_plugin:
  file.managed:
  - name: /usr/lib/python3/dist-packages/neutron_ovn_datapath.py
  - source: salt://neutron/files/neutron_ovn_datapath.py
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_packages
{%- endif %}

{#- It never contracts: an older Neutron may still run beside this one. #}
neutron_syncdb:
  cmd.run:
  - name: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - env:
    - SCHEMA: {{ schema | json }}
{%- if not ml2 %}
    - PLUGIN: {{ server.backend.config_file }}
{%- endif %}
  - runas: {{ server.user }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA" check
  - require:
    - file: neutron_config
{%- if ml2 %}
    - file: neutron_ml2
{%- endif %}
{%- for service in [server.service] + server.workers_services %}

neutron_service{{ '' if service == server.service else '_' ~ service }}:
  service.running:
  - name: {{ service }}
  - enable: True
  - require:
    - cmd: neutron_syncdb
  - watch:
    - file: neutron_config
{%- if ml2 %}
    - file: neutron_ml2
{%- endif %}
{%- if names %}
    - file: neutron_ovs_names
    - file: neutron_ovs_names_loaded
{%- endif %}
{%- if service == server.service %}
    - file: neutron_default
{%- if 'neutron_ovn_datapath.Plugin' in server.service_plugins %}
    - file: neutron_datapath_plugin
{%- endif %}
{%- if not server.alone %}
    - file: neutron_uwsgi
{%- endif %}
{%- else %}
    - file: neutron_default_{{ service }}
{%- endif %}
{%- endfor %}

{%- endif %}
