{%- if pillar.redis is defined %}
include:
{%- if pillar.redis.server is defined %}
- redis.server
{%- endif %}
{%- endif %}
