{%- if pillar.libvirt is defined %}
include:
{%- if pillar.libvirt.server is defined %}
- libvirt.server
{%- endif %}
{%- endif %}
