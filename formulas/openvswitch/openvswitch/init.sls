{%- if pillar.openvswitch is defined %}
include:
{%- if pillar.openvswitch.switch is defined %}
- openvswitch.switch
{%- endif %}
{%- endif %}
