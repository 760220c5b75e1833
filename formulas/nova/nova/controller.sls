{%- from "nova/map.jinja" import controller with context %}
{%- import_text "nova/files/schema.py" as schema %}
{%- if controller.get('enabled', False) %}
include:
- nova.common

{%- set services = controller.services %}
{%- set roles = controller.roles %}

{%- for role in ['conductor', 'scheduler', 'novncproxy'] if role in roles %}
{%- set name = services[role] %}

nova_default_{{ name }}:
  file.managed:
  - name: /etc/default/{{ name }}
  - source: salt://nova/files/default
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: nova_packages
{%- endfor %}

{%- set applications = {} %}
{%- if 'api' in roles %}
{%- do applications.update({services.api: (controller.bind, controller.workers, '/usr/bin/nova-api-wsgi')}) %}
{%- endif %}
{%- if 'metadata' in roles %}
{%- do applications.update({services.metadata: (controller.metadata.bind, controller.metadata.workers, '/usr/bin/nova-metadata-wsgi')}) %}
{%- endif %}
{%- for name, (bind, workers, application) in applications | dictsort %}

nova_default_{{ name }}:
  file.managed:
  - name: /etc/default/{{ name }}
  - source: salt://nova/files/default-uwsgi
  - template: jinja
  - context:
      name: {{ name }}
      bind: {{ bind | json }}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: nova_packages

nova_uwsgi_{{ name }}:
  file.managed:
  - name: /etc/nova/{{ name }}-uwsgi.ini
  - source: salt://nova/files/uwsgi.ini
  - template: jinja
  - context:
      name: {{ name }}
      workers: {{ workers }}
      application: {{ application }}
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: nova_packages
{%- endfor %}
{%- if 'novncproxy' in roles %}

nova_default_consoleproxy:
  file.managed:
  - name: /etc/default/nova-consoleproxy
  - source: salt://nova/files/default-consoleproxy
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: nova_packages
{%- endif %}
{#- Whoever asks the databases for the others brings them up; the others wait for that one: `conductor:host`. #}
{%- if 'conductor' in roles %}

nova_syncdb:
  cmd.run:
  - name: /usr/bin/python3 -W ignore -c "$SCHEMA" {{ controller.database.cell0_name }}
  - env:
    - SCHEMA: {{ schema | json }}
  - runas: {{ controller.user }}
  - unless: /usr/bin/python3 -W ignore -c "$SCHEMA" {{ controller.database.cell0_name }} check
  - require:
    - file: nova_config
{%- endif %}

{#- In the order of an upgrade: who asks the database for the others first, the API last. #}
{%- for role in ['conductor', 'scheduler', 'novncproxy', 'metadata', 'api'] if role in roles %}
{%- set name = services[role] %}

nova_service_{{ role }}:
  service.running:
  - name: {{ name }}
  - enable: True
{%- if 'conductor' in roles %}
  - require:
    - cmd: nova_syncdb
{%- endif %}
  - watch:
    - file: nova_config
    - file: nova_default_{{ name }}
{%- if name in applications %}
    - file: nova_uwsgi_{{ name }}
{%- endif %}
{%- if role == 'novncproxy' %}
    - file: nova_default_consoleproxy
{%- endif %}
{%- endfor %}

{%- endif %}
