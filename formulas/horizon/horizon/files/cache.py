{%- from "horizon/map.jinja" import server with context -%}
# Managed by Salt: horizon.server
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": [
{%- for member in server.cache.members %}
            "{{ member.host }}:{{ member.get('port', 11211) }}",
{%- endfor %}
        ],
        # who is gone has lost his sessions: their users log in again, and no page fails
        "OPTIONS": {"ignore_exc": True, "connect_timeout": 2, "timeout": 2},
    },
}
