{%- from "horizon/map.jinja" import server, hosts, public_url with context -%}
{%- set identity = server.identity -%}
# Managed by Salt: horizon.server
# What is not here is as in openstack_dashboard/defaults.py, and in local_settings.d, which is read after it.
import json
import os

DEBUG = {{ server.debug }}
LOCAL_PATH = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY = json.loads({{ server.secret_key | string | json | json }})
ALLOWED_HOSTS = json.loads({{ hosts | json | json }})
TIME_ZONE = "UTC"

OPENSTACK_KEYSTONE_URL = "{{ identity.get('protocol', 'http') }}://{{ identity.host }}:{{ identity.get('port', 5000) }}/v3"
OPENSTACK_KEYSTONE_DEFAULT_ROLE = "member"
# it stands beside the services
OPENSTACK_ENDPOINT_TYPE = "internalURL"
SECONDARY_ENDPOINT_TYPE = "publicURL"
DEFAULT_SERVICE_REGIONS = {"*": json.loads({{ server.region | json | json }})}

SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_TIMEOUT = {{ server.session_timeout }}
{%- if public_url.startswith('https:') %}

# who ends TLS says so
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_SECURE = True
{%- endif %}

EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "DEBUG" if DEBUG else "INFO"},
    # they say each request, and some of them what is in it
    "loggers": {name: {"level": "WARNING"} for name in ("keystoneauth", "requests", "urllib3", "django.template", "scss")},
}
{%- for name, value in server.settings | dictsort %}
{{ name }} = json.loads({{ value | json | json }})
{%- endfor %}
