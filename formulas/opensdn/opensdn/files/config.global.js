{%- from "opensdn/map.jinja" import common, roles with context -%}
{%- set role = roles.webui -%}
{%- set identity = common.identity -%}
{%- set config = {
    'orchestration': {'Manager': 'openstack' if identity else 'none'},
    'contrailEndPointFromConfig': True,
    'regionsFromConfig': False,
    'serviceEndPointTakePublicURL': False,
    'cnfg': {
        'server_ip': common.config.members | map(attribute='host') | list,
        'server_port': (common.config.members | first | default({})).get('port', 8082) | string,
        'authProtocol': 'http',
        'statusURL': '"/global-system-configs"',
    },
    'analytics': {
        'server_ip': common.analytics.members | map(attribute='host') | list,
        'server_port': '8081',
        'authProtocol': 'http',
        'statusURL': '"/analytics/uves/bgp-peers"',
    },
    'dns': {'server_ip': common.control.members | map(attribute='host') | list, 'server_port': '8092'},
    'cassandra': {
        'server_ips': common.database.members | map(attribute='host') | list,
        'server_port': (common.database.members | first | default({})).get('port', 9042) | string,
        'enable_edit': False,
    },
    'jobServer': {'server_ip': '127.0.0.1', 'server_port': '3000'},
    'files': {'download_path': '/tmp'},
    'webui_addresses': ['0.0.0.0'],
    'insecure_access': True,
    'http_port': '8180',
    'https_port': '8143',
    'require_auth': False,
    'node_worker_count': 1,
    'maxActiveJobs': 10,
    'redisDBIndex': 3,
    'redis_server_ip': common.redis.host,
    'redis_server_port': common.redis.port | string,
    'redis_password': common.redis.password,
    'redis_dump_file': '/var/lib/redis/dump-webui.rdb',
    'logo_file': '/usr/src/contrail/contrail-web-core/webroot/img/sdn-logo.png',
    'featurePkg': {'webController': {'path': '/usr/src/contrail/contrail-web-controller', 'enable': True}},
    'qe': {'enable_stat_queries': False},
    'logs': {'level': 'info'},
    'kue': {'ui_port': '3002'},
    'jsonSchemaPath': '/usr/src/contrail/contrail-web-core/src/serverroot/configJsonSchemas',
} -%}
{%- if identity %}
{%- do config.update({'identityManager': {
    'ip': identity.host,
    'port': identity.get('port', 5000) | string,
    'authProtocol': identity.get('protocol', 'http'),
    'apiVersion': ['v3'],
}}) -%}
{%- endif -%}
{%- do config.update(role.get('settings', {}).get('config.global.js', {})) -%}
// Managed by Salt: opensdn.webui
module.exports = {{ config | json(indent=2) }};
