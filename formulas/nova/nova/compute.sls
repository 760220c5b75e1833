{%- from "nova/map.jinja" import compute with context %}
{%- if compute.get('enabled', False) %}
include:
- nova.common

nova_compute_config:
  file.managed:
  - name: /etc/nova/nova-compute.conf
  - source: salt://nova/files/nova-compute.conf
  - template: jinja
  - user: root
  - group: {{ compute.user }}
  - mode: '0640'
  - require:
    - pkg: nova_packages

nova_compute_as_root:
  file.managed:
  - name: /etc/nova/as-root
  - source: salt://nova/files/as-root
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: nova_packages

nova_default_{{ compute.service }}:
  file.managed:
  - name: /etc/default/{{ compute.service }}
  - source: salt://nova/files/default
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: nova_packages

{%- if compute.volume.shares %}

nova_compute_shares:
  file.directory:
  - name: {{ compute.share_path }}
  - user: {{ compute.user }}
  - group: {{ compute.user }}
  - mode: '0755'
  - require:
    - pkg: nova_packages
{%- endif %}

# The package starts it before it is configured, and systemd goes on to try.
nova_compute_started_early:
  cmd.run:
  - name: systemctl stop {{ compute.service }}
  - onlyif: test -d /run/systemd/system
  - onchanges:
    - pkg: nova_packages
  - require:
    - file: nova_config
    - file: nova_compute_config
    - file: nova_default_{{ compute.service }}
  - require_in:
    - service: nova_compute_service

nova_compute_service:
  service.running:
  - name: {{ compute.service }}
  - enable: True
  - watch:
    - file: nova_config
    - file: nova_compute_config
    - file: nova_compute_as_root
    - file: nova_default_{{ compute.service }}

{%- endif %}
