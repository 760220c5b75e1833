{% from 'nginx/map.jinja' import nginx with context %}

include:
  - nginx.config
  - nginx.service

{% for name, vhost in nginx.vhosts|dictsort %}
nginx_root_{{ name }}:
  file.directory:
    - name: {{ nginx.web_root }}/{{ name }}
    - user: webmaster
    - group: {{ nginx.user }}
    - mode: '2750'
    - makedirs: True
    - require:
      - user: nginx_webmaster

nginx_index_{{ name }}:
  file.managed:
    - name: {{ nginx.web_root }}/{{ name }}/index.html
    - contents_pillar: nginx:vhosts:{{ name }}:content
    - user: webmaster
    - group: {{ nginx.user }}
    - mode: '0640'
    - require:
      - file: nginx_root_{{ name }}

nginx_vhost_{{ name }}:
  file.managed:
    - name: {{ nginx.conf_dir }}/sites-available/{{ name }}.conf
    - source: salt://nginx/files/vhost.conf.jinja
    - template: jinja
    - context:
        name: {{ name }}
        vhost: {{ vhost|json }}
        web_root: {{ nginx.web_root }}
    - use:
      - file: nginx_config

nginx_enabled_{{ name }}:
  file.symlink:
    - name: {{ nginx.conf_dir }}/sites-enabled/{{ name }}.conf
    - target: {{ nginx.conf_dir }}/sites-available/{{ name }}.conf
    - require:
      - file: nginx_vhost_{{ name }}
    - watch_in:
      - cmd: nginx_reload
{% endfor %}

nginx_reload:
  cmd.wait:
    - name: service nginx reload
    - require:
      - service: nginx_service
