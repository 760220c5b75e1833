{%- if pillar.heat is defined %}
include:
{%- if pillar.heat.server is defined %}
- heat.server
{%- endif %}
{%- endif %}
