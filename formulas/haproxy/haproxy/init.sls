{%- if pillar.haproxy is defined %}
include:
{%- if pillar.haproxy.proxy is defined %}
- haproxy.proxy
{%- endif %}
{%- endif %}
