{%- from "cinder/map.jinja" import backends, controller, mount, mounts, volume with context %}
{%- if volume.get('enabled', False) %}
include:
- cinder.common
{%- if controller.get('enabled', False) %}
- cinder.controller
{%- endif %}

cinder_volume_packages:
  pkg.installed:
  - names: {{ volume.pkgs | json }}
  - install_recommends: False

{%- for engine in backends.values() | map(attribute='engine') | unique | sort %}
{%- if volume.engine_pkgs.get(engine) %}

cinder_{{ engine }}_packages:
  pkg.installed:
  - names: {{ volume.engine_pkgs[engine] | json }}
  - install_recommends: False
  - require_in:
    - service: cinder_volume_service
{%- endif %}
{%- endfor %}

cinder_conversion_directory:
  file.directory:
  - name: {{ volume.state_dir }}/conversion
  - user: {{ volume.user }}
  - group: {{ volume.user }}
  - mode: '0750'
  - require:
    - pkg: cinder_volume_packages

{%- if backends.values() | selectattr('engine', 'equalto', 'nfs') | list %}

cinder_mount_directory:
  file.directory:
  - name: {{ mounts }}
  - user: {{ volume.user }}
  - group: {{ volume.user }}
  - mode: '0755'
  - require:
    - pkg: cinder_volume_packages
{%- endif %}

{%- for name, backend in backends | dictsort if backend.engine == 'nfs' %}

cinder_{{ name }}_shares:
  file.managed:
  - name: /etc/cinder/shares-{{ name }}
  - contents: {{ (backend.share ~ (' -o ' ~ backend.options if backend.options is defined else '')) | json }}
  - user: root
  - group: {{ volume.user }}
  - mode: '0640'
  - require:
    - pkg: cinder_volume_packages
  - watch_in:
    - service: cinder_volume_service

{#- The guests' processes of other nodes go through it. #}
cinder_{{ name }}_mount_directory:
  file.directory:
  - name: {{ mount(backend) }}
  - user: {{ volume.user }}
  - group: {{ volume.user }}
  - mode: '0755'
  - require:
    - file: cinder_mount_directory
  - require_in:
    - service: cinder_volume_service
{%- endfor %}

{{ volume.service }}_default:
  file.managed:
  - name: /etc/default/{{ volume.service }}
  - source: salt://cinder/files/default
  - template: jinja
  - context: {service: {{ volume.service }}}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: cinder_volume_packages

cinder_volume_service:
  service.running:
  - name: {{ volume.service }}
  - enable: True
  - require:
    - file: cinder_conversion_directory
    - file: cinder_lock_directory
{%- if controller.get('enabled', False) %}
    - cmd: cinder_syncdb
{%- endif %}
  - watch:
    - file: cinder_config
    - file: cinder_notifications
    - file: {{ volume.service }}_default

{%- endif %}
