{% from 'nginx/map.jinja' import nginx with context %}

include:
  - nginx.package

nginx_service:
  service.running:
    - name: {{ nginx.service }}
    - enable: True
    - require:
      - pkg: nginx_package
