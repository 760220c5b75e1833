{%- from "neutron/map.jinja" import agent, server with context %}
{%- if agent.get('enabled', False) %}

neutron_agent_packages:
  pkg.installed:
  - names: {{ (agent.pkgs + agent.services) | json }}
  - install_recommends: False

neutron_agent_root_helper:
  file.managed:
  - name: /etc/neutron/root-helper
  - source: salt://neutron/files/root-helper
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: neutron_agent_packages
{%- if not server.get('enabled', False) %}

neutron_agent_common:
  file.managed:
  - name: /etc/neutron/neutron.conf
  - source: salt://neutron/files/agent.conf
  - template: jinja
  - user: root
  - group: neutron
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: neutron_agent_packages
{%- endif %}
{%- for service in agent.services %}

neutron_agent_config_{{ service }}:
  file.managed:
  - name: {{ agent.files[service] }}
  - source: salt://neutron/files/{{ agent.files[service].rpartition('/')[2] }}
  - template: jinja
  - user: root
  - group: neutron
  - mode: '0640'
  - makedirs: True
  - show_changes: False
  - require:
    - pkg: neutron_agent_packages

neutron_agent_default_{{ service }}:
  file.managed:
  - name: /etc/default/{{ service }}
  - contents: |
      # Managed by Salt: neutron.agent
      # Read by /etc/init.d/{{ service }}; the unit calls it with systemd-start and keeps what goes to stderr.
      if [ "$1" = systemd-start ]; then
        USE_LOGFILE=no
      fi
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: neutron_agent_packages

neutron_agent_service_{{ service }}:
  service.running:
  - name: {{ service }}
  - enable: True
  - watch:
    - file: neutron_agent_root_helper
    - file: neutron_agent_config_{{ service }}
    - file: neutron_agent_default_{{ service }}
{%- if not server.get('enabled', False) %}
    - file: neutron_agent_common
{%- endif %}
{%- endfor %}

{%- endif %}
