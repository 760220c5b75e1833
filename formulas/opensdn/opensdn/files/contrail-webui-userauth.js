{%- from "opensdn/map.jinja" import common with context -%}
{%- set identity = common.identity -%}
{%- set auth = {
    'admin_user': identity.get('user', ''),
    'admin_password': identity.get('password', '') | string,
    'admin_tenant_name': identity.get('tenant', 'service'),
    'project_domain_name': 'Default',
    'user_domain_name': 'Default',
} -%}
// Managed by Salt: opensdn.webui
module.exports = {{ auth | json(indent=2) }};
