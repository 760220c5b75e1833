{%- from "keystone/map.jinja" import server with context %}
{%- import_text "keystone/files/bootstrapped.py" as bootstrapped %}
{%- import_text "keystone/files/schema.py" as schema %}
{%- if server.get('enabled', False) %}

{#- The package would take any free ids, others on another system, and the keys outlive the system in their volumes. #}
keystone_group:
  group.present:
  - name: {{ server.user }}
  - gid: {{ server.gid }}
  - system: True
  - unless: getent group {{ server.user }}

keystone_user:
  user.present:
  - name: {{ server.user }}
  - uid: {{ server.uid }}
  - gid: {{ server.gid }}
  - home: /var/lib/keystone
  - createhome: False
  - shell: /bin/sh
  - system: True
  - unless: getent passwd {{ server.user }}
  - require:
    - group: keystone_group

keystone_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False
  - require:
    - user: keystone_user

keystone_config:
  file.managed:
  - name: /etc/keystone/keystone.conf
  - source: salt://keystone/files/keystone.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: keystone_packages

keystone_uwsgi:
  file.managed:
  - name: /etc/keystone/keystone-uwsgi.ini
  - source: salt://keystone/files/keystone-uwsgi.ini
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: keystone_packages

keystone_default:
  file.managed:
  - name: /etc/default/keystone
  - source: salt://keystone/files/default
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: keystone_packages

keystone_key_directories:
  file.directory:
  - names:
    - {{ server.tokens.location }}
    - {{ server.credential.location }}
  - user: {{ server.user }}
  - group: {{ server.user }}
  - mode: '0700'
  - require:
    - pkg: keystone_packages

keystone_fernet_setup:
  cmd.run:
  - name: keystone-manage fernet_setup --keystone-user {{ server.user }} --keystone-group {{ server.user }}
  - runas: {{ server.user }}
  - creates: {{ server.tokens.location }}/0
  - require:
    - file: keystone_config
    - file: keystone_key_directories

keystone_credential_setup:
  cmd.run:
  - name: keystone-manage credential_setup --keystone-user {{ server.user }} --keystone-group {{ server.user }}
  - runas: {{ server.user }}
  - creates: {{ server.credential.location }}/0
  - require:
    - file: keystone_config
    - file: keystone_key_directories

{#- It never contracts: an older Keystone may still run beside this one. #}
keystone_syncdb:
  cmd.run:
  - name: /usr/bin/python3 -W ignore -c "$SCHEMA"
  - env:
    - SCHEMA: {{ schema | json }}
  - runas: {{ server.user }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA" check
  - require:
    - file: keystone_config

{%- if server.admin.password is defined %}

{#- The check asks Keystone's own code whether the admin can log in, so a changed password is set too. #}
keystone_bootstrap:
  cmd.run:
  - name: keystone-manage bootstrap
  - runas: {{ server.user }}
  - env:
    - OS_BOOTSTRAP_USERNAME: {{ server.admin.name | json }}
    - OS_BOOTSTRAP_PASSWORD: {{ server.admin.password | json }}
    - OS_BOOTSTRAP_PROJECT_NAME: {{ server.admin.tenant | json }}
    - OS_BOOTSTRAP_REGION_ID: {{ server.region | json }}
    - OS_BOOTSTRAP_SERVICE_NAME: keystone
{%- for interface in ['admin', 'internal', 'public'] %}
{%- if server.bind.get(interface ~ '_url') %}
    - OS_BOOTSTRAP_{{ interface | upper }}_URL: {{ server.bind[interface ~ '_url'] | json }}
{%- endif %}
{%- endfor %}
  - unless: |
      /usr/bin/python3 -W ignore - <<'END'
      {{ bootstrapped | indent(6) }}
      END
  - require:
    - cmd: keystone_syncdb
    - cmd: keystone_fernet_setup
    - cmd: keystone_credential_setup
{%- endif %}

keystone_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - require:
    - cmd: keystone_syncdb
    - cmd: keystone_fernet_setup
    - cmd: keystone_credential_setup
{%- if server.admin.password is defined %}
    - cmd: keystone_bootstrap
{%- endif %}
  - watch:
    - file: keystone_config
    - file: keystone_uwsgi
    - file: keystone_default

{%- endif %}
