{%- from "neutron/map.jinja" import alone, metadata, server with context %}
{%- if metadata.get('enabled', False) %}
{%- if alone %}
include:
- neutron.names
{%- endif %}

neutron_metadata_packages:
  pkg.installed:
  - names: {{ metadata.pkgs | json }}
  - install_recommends: False

neutron_metadata_config:
  file.managed:
  - name: /etc/neutron/neutron_ovn_metadata_agent.ini
  - source: salt://neutron/files/neutron_ovn_metadata_agent.ini
  - template: jinja
  - user: root
  - group: neutron
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: neutron_metadata_packages
{%- if not server.get('enabled', False) %}

{#- Read after the agent's own file, so the package's would win over that. #}
neutron_metadata_common:
  file.managed:
  - name: /etc/neutron/neutron.conf
  - source: salt://neutron/files/agent.conf
  - template: jinja
  - user: root
  - group: neutron
  - mode: '0640'
  - require:
    - pkg: neutron_metadata_packages
{%- endif %}

neutron_metadata_default:
  file.managed:
  - name: /etc/default/{{ metadata.service }}
  - contents: |
      # Managed by Salt: neutron.metadata
      # Read by /etc/init.d/{{ metadata.service }}; the unit calls it with systemd-start and keeps what goes to stderr.
      if [ "$1" = systemd-start ]; then
        USE_LOGFILE=no
      fi
      # eventlet's own resolver does not take what Open vSwitch's Python asks it (Debian 12)
      export EVENTLET_NO_GREENDNS=yes
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_metadata_packages

# The package starts it before it is configured, and systemd goes on to try.
neutron_metadata_started_early:
  cmd.run:
  - name: systemctl stop {{ metadata.service }}
  - onlyif: test -d /run/systemd/system
  - onchanges:
    - pkg: neutron_metadata_packages
  - require:
    - file: neutron_metadata_config
    - file: neutron_metadata_default
  - require_in:
    - service: neutron_metadata_service

neutron_metadata_service:
  service.running:
  - name: {{ metadata.service }}
  - enable: True
  - watch:
    - file: neutron_metadata_config
    - file: neutron_metadata_default
{%- if alone %}
    - file: neutron_ovs_names
    - file: neutron_ovs_names_loaded
{%- endif %}
{%- if not server.get('enabled', False) %}
    - file: neutron_metadata_common
{%- endif %}

{%- endif %}
