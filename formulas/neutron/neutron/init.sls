{%- if pillar.neutron is defined %}
include:
{%- if pillar.neutron.server is defined %}
- neutron.server
{%- endif %}
{%- if pillar.neutron.metadata is defined %}
- neutron.metadata
{%- endif %}
{%- if pillar.neutron.agent is defined %}
- neutron.agent
{%- endif %}
{%- endif %}
