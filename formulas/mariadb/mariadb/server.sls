{%- from "mariadb/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}

mariadb_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

mariadb_config:
  file.managed:
  - name: {{ server.config }}
  - source: salt://mariadb/files/server.cnf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: mariadb_packages

{%- if server.cluster %}

mariadb_member:
  file.managed:
  - name: {{ server.member }}
  - source: salt://mariadb/files/member.sh
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: mariadb_packages

mariadb_member_config:
  file.managed:
  - name: {{ server.member_config }}
  - source: salt://mariadb/files/member.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: mariadb_packages
{%- else %}

{#- The package makes the system tables where the data directory is part of the machine; a fresh volume has none. #}
mariadb_system_tables:
  cmd.run:
  - name: mariadb-install-db --user=mysql --datadir={{ server.data_dir }} --auth-root-authentication-method=socket --auth-root-socket-user=root --skip-test-db
  - creates: {{ server.data_dir }}/mysql
  - require:
    - pkg: mariadb_packages
    - file: mariadb_config
{%- endif %}

mariadb_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
{%- if not server.cluster %}
  - require:
    - cmd: mariadb_system_tables
{%- endif %}
  - watch:
    - file: mariadb_config
{%- if server.cluster %}
    - file: mariadb_member
    - file: mariadb_member_config
{%- endif %}

{%- set connection = {
    'connection_host': 'localhost',
    'connection_user': server.admin.user,
    'connection_unix_socket': server.admin.socket,
    'connection_charset': 'utf8mb4',
} %}
{%- macro connect() %}
{%- for key, value in connection.items() %}
  - {{ key }}: {{ value }}
{%- endfor %}
{%- endmacro %}

{%- macro account(user, database) %}
{%- set id = 'mariadb_user_' ~ user.name ~ '_' ~ database ~ '_' ~ user.get('host', '%') %}
{{ id | json }}:
  mysql_user.present:
  - name: {{ user.name | json }}
  - host: {{ user.get('host', '%') | json }}
  - password: {{ user.password | json }}
{{- connect() }}
  - require:
    - service: mariadb_service

{{ (id ~ '_grants') | json }}:
  mysql_grants.present:
  - user: {{ user.name | json }}
  - host: {{ user.get('host', '%') | json }}
  - database: {{ (database ~ '.*') | json }}
  - grant: {{ user.get('rights', 'all privileges') | json }}
{{- connect() }}
  - require:
    - mysql_user: {{ id | json }}
{%- if database != '*' %}
    - mysql_database: {{ ('mariadb_database_' ~ database) | json }}
{%- endif %}
{%- endmacro %}

{%- for name, database in server.database | dictsort %}

{{ ('mariadb_database_' ~ name) | json }}:
  mysql_database.present:
  - name: {{ name | json }}
  - character_set: {{ database.get('encoding', 'utf8mb4') }}
{%- if database.collation is defined %}
  - collate: {{ database.collation }}
{%- endif %}
{{- connect() }}
  - require:
    - service: mariadb_service
{%- for user in database.get('users', []) %}
{{ account(user, name) }}
{%- endfor %}
{%- endfor %}
{%- for user in server.users %}
{{ account(user, '*') }}
{%- endfor %}

{%- endif %}
