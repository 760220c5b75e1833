{%- from "libvirt/map.jinja" import credentials, server with context %}
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

{%- if server.tls.enabled %}

libvirt_pki:
  file.directory:
  - names: [/etc/pki/CA, /etc/pki/libvirt, /etc/pki/libvirt/private, /etc/pki/qemu]
  - user: root
  - group: root
  - mode: '0755'
  - makedirs: True
{%- for kind, paths in credentials | dictsort %}
{%- for path in paths %}

libvirt_{{ path }}:
  file.managed:
  - name: /etc/pki/{{ path }}
  - contents_pillar: libvirt:server:tls:{{ kind }}
  - user: root
  # guests have QEMU's, libvirtd alone has its own
  - group: {{ server.qemu.group if path.startswith('qemu/') else 'root' }}
  - mode: '{{ '0644' if kind != 'key' else '0640' if path.startswith('qemu/') else '0600' }}'
  - show_changes: False
  - require:
    - pkg: libvirt_packages
    - file: libvirt_pki
  - watch_in:
    - service: libvirt_service
{%- endfor %}
{%- endfor %}

# on a machine systemd holds the sockets, and takes no other one while libvirtd runs
libvirt_tls_socket:
  cmd.run:
  - name: systemctl stop libvirtd.service && systemctl enable --now libvirtd-tls.socket
  - onlyif: test -d /run/systemd/system
  - unless: systemctl is-active --quiet libvirtd-tls.socket
  - require:
    - file: libvirt_config
  - require_in:
    - service: libvirt_service
{%- endif %}

libvirt_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: libvirt_config
    - file: libvirt_qemu_config
    - file: libvirt_default

{%- endif %}
