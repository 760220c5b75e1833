{%- if pillar.glance is defined %}
include:
{%- if pillar.glance.server is defined %}
- glance.server
{%- endif %}
{%- endif %}
