{%- from "libvirt/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}

libvirt_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

libvirt_config:
  file.managed:
  - name: /etc/libvirt/libvirtd.conf
  - source: salt://libvirt/files/libvirtd.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: libvirt_packages

libvirt_qemu_config:
  file.managed:
  - name: /etc/libvirt/qemu.conf
  - source: salt://libvirt/files/qemu.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0600'
  - require:
    - pkg: libvirt_packages

libvirt_default:
  file.managed:
  - name: /etc/default/libvirtd
  - source: salt://libvirt/files/default
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: libvirt_packages

libvirt_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: libvirt_config
    - file: libvirt_qemu_config
    - file: libvirt_default

{%- endif %}
