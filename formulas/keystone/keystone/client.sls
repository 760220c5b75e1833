{%- from "keystone/map.jinja" import client with context %}
{%- if client.get('enabled', False) %}

keystone_client_packages:
  pkg.installed:
  - names: {{ client.pkgs | json }}
  - install_recommends: False

{%- for cloud, identity in client.server | dictsort %}
{%- set admin = identity.admin %}
{%- set auth = {
    'auth_url': admin.get('protocol', 'http') ~ '://' ~ admin.host ~ ':' ~ admin.get('port', 5000) ~ '/v3',
    'username': admin.user,
    'password': admin.password,
    'project_name': admin.project,
} %}
{%- macro common() %}
  - auth: {{ auth | json }}
  - require:
    - pkg: keystone_client_packages
{%- if pillar.keystone.get('server', {}).get('enabled', False) %}
    - service: keystone_service
{%- endif %}
{%- endmacro %}

{%- for role in identity.get('roles', []) %}

{{ ('keystone_' ~ cloud ~ '_role_' ~ role) | json }}:
  keystone_resource.role_present:
  - name: {{ role | json }}
{{- common() }}
{%- endfor %}

{%- for name, project in identity.get('project', {}) | dictsort %}

{{ ('keystone_' ~ cloud ~ '_project_' ~ name) | json }}:
  keystone_resource.project_present:
  - name: {{ name | json }}
  - description: {{ project.get('description', '') | json }}
{{- common() }}

{%- for user_name, user in project.get('user', {}) | dictsort %}
{%- set id = 'keystone_' ~ cloud ~ '_user_' ~ user_name %}

{{ id | json }}:
  keystone_resource.user_present:
  - name: {{ user_name | json }}
  - password: {{ user.password | json }}
  - email: {{ user.get('email') | json }}
{{- common() }}

{%- for role in user.get('roles', ['admin'] if user.get('is_admin', False) else ['member']) %}

{{ (id ~ '_' ~ name ~ '_' ~ role) | json }}:
  keystone_resource.role_assigned:
  - name: {{ role | json }}
  - user: {{ user_name | json }}
  - project: {{ name | json }}
{{- common() }}
    - keystone_resource: {{ id | json }}
    - keystone_resource: {{ ('keystone_' ~ cloud ~ '_project_' ~ name) | json }}
{%- if role in identity.get('roles', []) %}
    - keystone_resource: {{ ('keystone_' ~ cloud ~ '_role_' ~ role) | json }}
{%- endif %}
{%- endfor %}
{%- endfor %}
{%- endfor %}

{%- for name, domain in identity.get('domain', {}) | dictsort %}
{%- set id = 'keystone_' ~ cloud ~ '_domain_' ~ name %}

{{ id | json }}:
  keystone_resource.domain_present:
  - name: {{ name | json }}
  - description: {{ domain.get('description', '') | json }}
{{- common() }}

{%- for user_name, user in domain.get('user', {}) | dictsort %}

{{ (id ~ '_user_' ~ user_name) | json }}:
  keystone_resource.user_present:
  - name: {{ user_name | json }}
  - password: {{ user.password | json }}
  - email: {{ user.get('email') | json }}
  - domain: {{ name | json }}
{{- common() }}
    - keystone_resource: {{ id | json }}

{%- for role in user.get('roles', ['admin'] if user.get('is_admin', False) else []) %}

{{ (id ~ '_user_' ~ user_name ~ '_' ~ role) | json }}:
  keystone_resource.role_assigned:
  - name: {{ role | json }}
  - user: {{ user_name | json }}
  - user_domain: {{ name | json }}
  - project_domain: {{ name | json }}
{{- common() }}
    - keystone_resource: {{ (id ~ '_user_' ~ user_name) | json }}
{%- if role in identity.get('roles', []) %}
    - keystone_resource: {{ ('keystone_' ~ cloud ~ '_role_' ~ role) | json }}
{%- endif %}
{%- endfor %}
{%- endfor %}
{%- endfor %}

{%- for name, service in identity.get('service', {}) | dictsort %}
{%- set id = 'keystone_' ~ cloud ~ '_service_' ~ name %}

{{ id | json }}:
  keystone_resource.service_present:
  - name: {{ name | json }}
  - type: {{ service.type | json }}
  - description: {{ service.get('description', '') | json }}
{{- common() }}

{%- for endpoint in service.get('endpoints', []) %}
{%- for interface in ['admin', 'internal', 'public'] %}
{%- if endpoint.get(interface ~ '_url') %}
{%- set region = endpoint.get('region', admin.get('region', 'RegionOne')) %}

{{ (id ~ '_' ~ region ~ '_' ~ interface) | json }}:
  keystone_resource.endpoint_present:
  - name: {{ name | json }}
  - type: {{ service.type | json }}
  - interface: {{ interface }}
  - region: {{ region | json }}
  - url: {{ endpoint[interface ~ '_url'] | json }}
{{- common() }}
    - keystone_resource: {{ id | json }}
{%- endif %}
{%- endfor %}
{%- endfor %}
{%- endfor %}
{%- endfor %}

{%- endif %}
