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
    # Parts of pages, kept for a month: in a shared cache those of another release would be found, which this one's
    # compressed files do not fit, and each page would fail.
    "template_fragments": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
