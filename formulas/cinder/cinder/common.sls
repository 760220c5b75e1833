{%- from "cinder/map.jinja" import common with context %}

cinder_packages:
  pkg.installed:
  - name: cinder-common
  - install_recommends: False

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
