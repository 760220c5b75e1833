{%- from "rabbitmq/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}

rabbitmq_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False

rabbitmq_config:
  file.managed:
  - name: {{ server.config_dir }}/rabbitmq.conf
  - source: salt://rabbitmq/files/rabbitmq.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - require:
    - pkg: rabbitmq_packages

rabbitmq_environment:
  file.managed:
  - name: {{ server.config_dir }}/rabbitmq-env.conf
  - source: salt://rabbitmq/files/rabbitmq-env.conf
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0644'
  - require:
    - pkg: rabbitmq_packages

{%- if server.cluster.members %}

rabbitmq_member:
  file.managed:
  - name: {{ server.config_dir }}/member.sh
  - source: salt://rabbitmq/files/member.sh
  - template: jinja
  - user: root
  - group: root
  - mode: '0755'
  - require:
    - pkg: rabbitmq_packages
{%- endif %}

rabbitmq_plugins:
  file.managed:
  - name: {{ server.config_dir }}/enabled_plugins
  - contents: '[{{ (server.plugins + (['rabbitmq_prometheus'] if server.metrics.enabled else [])) | unique | join(',') }}].'
  - user: root
  - group: {{ server.user }}
  - mode: '0644'
  - require:
    - pkg: rabbitmq_packages

{%- if server.secret_key is defined %}

{#- A broker that runs with another cookie can no longer be told to stop, so it is stopped before the cookie changes. #}
rabbitmq_stopped_for_cookie:
  service.dead:
  - name: {{ server.service }}
  - prereq:
    - file: rabbitmq_cookie

rabbitmq_cookie:
  file.managed:
  - name: {{ server.home }}/.erlang.cookie
  - contents: {{ server.secret_key | json }}
  - contents_newline: False
  - show_changes: False
  - user: {{ server.user }}
  - group: {{ server.user }}
  - mode: '0400'
  - require:
    - pkg: rabbitmq_packages
{%- endif %}

rabbitmq_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: rabbitmq_config
    - file: rabbitmq_environment
    - file: rabbitmq_plugins
{%- if server.secret_key is defined %}
    - file: rabbitmq_cookie
{%- endif %}

rabbitmq_user_guest:
  rabbitmq_user.absent:
  - name: guest
  - runas: {{ server.user }}
  - require:
    - service: rabbitmq_service

{%- for name, host in server.host | dictsort %}
{%- if host.get('enabled', True) %}

{{ ('rabbitmq_vhost_' ~ name) | json }}:
  rabbitmq_vhost.present:
  - name: {{ name | json }}
  - require:
    - service: rabbitmq_service

{{ ('rabbitmq_user_' ~ host.user ~ '_' ~ name) | json }}:
  rabbitmq_user.present:
  - name: {{ host.user | json }}
{%- if host.tags is defined %}
  - tags: {{ host.tags | json }}
{%- endif %}
  - perms:
    - {{ name | json }}:
      - '.*'
      - '.*'
      - '.*'
  - runas: {{ server.user }}
  - require:
    - rabbitmq_vhost: {{ ('rabbitmq_vhost_' ~ name) | json }}

{{ ('rabbitmq_password_' ~ host.user ~ '_' ~ name) | json }}:
  rabbitmq_password.present:
  - name: {{ host.user | json }}
  - password: {{ host.password | json }}
  - runas: {{ server.user }}
  - require:
    - rabbitmq_user: {{ ('rabbitmq_user_' ~ host.user ~ '_' ~ name) | json }}

{%- for policy in host.get('policies', []) %}

{{ ('rabbitmq_policy_' ~ policy.name ~ '_' ~ name) | json }}:
  rabbitmq_policy.present:
  - name: {{ policy.name | json }}
  - pattern: {{ policy.pattern | json }}
  - definition: {{ policy.definition | json | yaml_squote }}
  - priority: {{ policy.get('priority', 0) }}
  - vhost: {{ name | json }}
  - runas: {{ server.user }}
  - require:
    - rabbitmq_vhost: {{ ('rabbitmq_vhost_' ~ name) | json }}
{%- endfor %}
{%- endif %}
{%- endfor %}

{%- endif %}
