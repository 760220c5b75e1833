{%- if pillar.keystone is defined %}
include:
{%- if pillar.keystone.server is defined %}
- keystone.server
{%- endif %}
{%- if pillar.keystone.client is defined %}
- keystone.client
{%- endif %}
{%- endif %}
