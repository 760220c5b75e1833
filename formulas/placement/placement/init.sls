{%- if pillar.placement is defined %}
include:
{%- if pillar.placement.server is defined %}
- placement.server
{%- endif %}
{%- endif %}
