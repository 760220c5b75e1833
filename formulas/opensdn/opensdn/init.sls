{%- if pillar.opensdn is defined %}
include:
{%- for role in ['config', 'control', 'analytics', 'queryengine', 'webui', 'vrouter', 'plugin', 'cni'] %}
{%- if pillar.opensdn[role] is defined %}
- opensdn.{{ role }}
{%- endif %}
{%- endfor %}
{%- if pillar.opensdn.keys() | list == ['common'] %} []
{%- endif %}
{%- endif %}
