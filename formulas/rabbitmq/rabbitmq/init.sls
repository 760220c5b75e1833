{%- if pillar.rabbitmq is defined %}
include:
{%- if pillar.rabbitmq.server is defined %}
- rabbitmq.server
{%- endif %}
{%- endif %}
