{%- if pillar.ovn is defined %}
include:
{%- if pillar.ovn.central is defined %}
- ovn.central
{%- endif %}
{%- if pillar.ovn.chassis is defined %}
- ovn.chassis
{%- endif %}
{%- endif %}
