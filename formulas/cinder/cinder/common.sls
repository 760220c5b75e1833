{%- from "cinder/map.jinja" import common with context %}

cinder_packages:
  pkg.installed:
  - name: cinder-common
  - install_recommends: False

{#- Debian 12: since 14.0.3 python3-oslo.messaging keeps only what is no secret of a request for notifications, and Cinder 21 takes
    that a value is missing for a wrong one: no volume could be made or removed. Later releases of Cinder say what these lines make. #}
cinder_notifications:
  file.replace:
  - name: /usr/lib/python3/dist-packages/cinder/context.py
  - pattern: values\.get\('read_deleted'\)
  - repl: values.get('read_deleted', 'no')
  - backup: False
  - require:
    - pkg: cinder_packages

cinder_config:
  file.managed:
  - name: /etc/cinder/cinder.conf
  - source: salt://cinder/files/cinder.conf
  - template: jinja
  - user: root
  - group: {{ common.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: cinder_packages

cinder_lock_directory:
  file.directory:
  - name: {{ common.state_dir }}/locks
  - user: {{ common.user }}
  - group: {{ common.user }}
  - mode: '0750'
  - require:
    - pkg: cinder_packages
