"""A service plugin: the bindings of ports say which datapath the chassis have, as the OVN driver of later releases does.

Without it Nova's os-vif sets a bridge to "system" each time it plugs a port, and a switch that forwards in user space then
makes the bridge anew, with all of its ports.
"""
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins import directory
from neutron_lib.services import base


class Plugin(base.ServicePluginBase):
    supported_extension_aliases = []

    def __init__(self):
        super().__init__()
        driver = directory.get_plugin().mechanism_manager.mech_drivers["ovn"].obj
        driver.vif_details[portbindings.VIF_TYPE_OVS][portbindings.OVS_DATAPATH_TYPE] = "netdev"

    @classmethod
    def get_plugin_type(cls):
        return "ovn_datapath"

    def get_plugin_description(self):
        return "Says the datapath of OVN's chassis"
