# SPDX-License-Identifier: GPL-2.0-only
"""A plugin for sos: what vlpictl report has, in sos's own way. Goes to sos/report/plugins/."""
from sos.report.plugins import IndependentPlugin, Plugin


class VlpiBroker(Plugin, IndependentPlugin):

    short_desc = "vlpi_broker: guests' shared MSI vectors on GICv4"

    plugin_name = "vlpi_broker"
    profiles = ("virt",)
    kernel_mods = ("vlpi_broker",)
    files = ("/dev/vlpi_broker",)
    commands = ("vlpictl",)

    def setup(self):
        self.add_cmd_output([
            "vlpictl --version",
            "vlpictl status",
            "vlpictl status --json",
            "vlpictl dump --json --output=+ID,FALLBACK,NAME",
            "vlpictl events --json",
            "vlpictl preflight",
            "modinfo vlpi_broker",
        ])
        self.add_copy_spec([
            "/proc/interrupts",
            "/proc/livepatch/state",
            "/sys/devices/virtual/workqueue/vlpi_broker/cpumask",
            "/sys/devices/virtual/workqueue/vlpi_broker/nice",
            "/sys/kernel/tracing/enabled_functions",
            "/sys/module/vlpi_broker/parameters/*",
            "/sys/module/vlpi_broker/srcversion",
            "/sys/module/vlpi_broker/version",
        ])
