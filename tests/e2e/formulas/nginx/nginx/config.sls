{% from 'nginx/map.jinja' import nginx with context %}
{% from 'nginx/macros.jinja' import sls_block with context %}

include:
  - nginx.package

nginx_config:
  file.managed:
{{ sls_block({'user': 'root', 'group': 'root', 'mode': '0644'}) }}
    - name: {{ nginx.conf_dir }}/nginx.conf
    - source: salt://nginx/files/nginx.conf.jinja
    - template: jinja
    - context:
        nginx: {{ nginx|json }}
    - require:
      - sls: nginx.package
    - watch_in:
      - service: nginx_service

nginx_default_site:
  file.absent:
    - name: {{ nginx.conf_dir }}/sites-enabled/default
    - require:
      - pkg: nginx_package
    - watch_in:
      - service: nginx_service
