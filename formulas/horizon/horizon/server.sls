{%- from "horizon/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}

{#- Its script collects and compresses the static files, once more with each plugin: they are in the image. #}
horizon_packages:
  pkg.installed:
  - names: {{ (server.pkgs + server.plugins) | json }}
  - install_recommends: False

horizon_config:
  file.managed:
  - name: /etc/openstack-dashboard/local_settings.py
  - source: salt://horizon/files/local_settings.py
  - template: jinja
  - user: root
  - group: {{ server.user }}
  - mode: '0640'
  - show_changes: False
  - require:
    - pkg: horizon_packages

{#- Read after local_settings.py: what the package has there keeps sessions in the memory of one process. #}
horizon_cache:
  file.managed:
  - name: /etc/openstack-dashboard/local_settings.d/_0006_debian_cache.py
  - source: salt://horizon/files/cache.py
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: horizon_packages

horizon_ports:
  file.managed:
  - name: /etc/apache2/ports.conf
  - source: salt://horizon/files/ports.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: horizon_packages

horizon_site:
  file.managed:
  - name: /etc/apache2/sites-available/openstack-dashboard.conf
  - source: salt://horizon/files/site.conf
  - template: jinja
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - pkg: horizon_packages

horizon_site_enabled:
  file.symlink:
  - name: /etc/apache2/sites-enabled/openstack-dashboard.conf
  - target: ../sites-available/openstack-dashboard.conf
  - require:
    - file: horizon_site

horizon_default_site:
  file.absent:
  - name: /etc/apache2/sites-enabled/000-default.conf
  - require:
    - pkg: horizon_packages

horizon_service:
  service.running:
  - name: {{ server.service }}
  - enable: True
  - watch:
    - file: horizon_config
    - file: horizon_cache
    - file: horizon_ports
    - file: horizon_site
    - file: horizon_site_enabled
    - file: horizon_default_site

{%- endif %}
