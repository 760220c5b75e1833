{%- from "opensdn/map.jinja" import common with context %}
{%- set repo = common.repo %}

{%- if common.source == 'package' and repo %}

{#- apt reads it where packages are installed: it goes into the image with them. #}
opensdn_repo_key:
  file.managed:
  - name: /etc/apt/keyrings/opensdn.asc
  - contents: {{ repo.signed_by | json }}
  - user: root
  - group: root
  - mode: '0644'
  - makedirs: True

opensdn_repo:
  file.managed:
  - name: /etc/apt/sources.list.d/opensdn.sources
  - contents: |
      # Managed by Salt: opensdn
      Types: deb
      URIs: {{ repo.uri }}
      Suites: {{ repo.suite }}
      Components: {{ repo.components | join(' ') }}
      Signed-By: /etc/apt/keyrings/opensdn.asc
  - user: root
  - group: root
  - mode: '0644'
  - require:
    - file: opensdn_repo_key
{%- endif %}
