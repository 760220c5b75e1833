{%- if pillar.memcached is defined %}
include:
{%- if pillar.memcached.server is defined %}
- memcached.server
{%- endif %}
{%- endif %}
