"""Ends with 0 when the admin of the environment exists and has its password: asks Keystone's own code, not its API."""
import os
import sys

import keystone.conf
from keystone.common import provider_api
from keystone.server import backends

CONF = keystone.conf.CONF
keystone.conf.configure()
CONF([], project="keystone", default_config_files=["/etc/keystone/keystone.conf"])
keystone.conf.set_external_opts_defaults()
backends.load_backends()
identity = provider_api.ProviderAPIs.identity_api
try:
    user = identity.get_user_by_name(os.environ["OS_BOOTSTRAP_USERNAME"], CONF.identity.default_domain_id)
    identity.driver.authenticate(user["id"], os.environ["OS_BOOTSTRAP_PASSWORD"])
except Exception as error:
    sys.exit("%s: %s" % (type(error).__name__, error))
