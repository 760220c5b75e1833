{% from 'nginx/map.jinja' import nginx with context %}

nginx_package:
  pkg.installed:
    - names:
      - {{ nginx.package }}
{%- for name in nginx.extra_packages %}
      - {{ name }}
{%- endfor %}

nginx_webmaster:
  user.present:
    - name: webmaster
    - system: True
    - home: {{ nginx.web_root }}
    - createhome: False
    - shell: /usr/sbin/nologin
    - groups:
      - {{ nginx.user }}
    - require:
      - pkg: nginx_package
