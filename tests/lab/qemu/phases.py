# SPDX-License-Identifier: GPL-2.0-only
"""Marks that host.py makes on the time line of the ITS trace, and that table.py looks for there."""
WORKED = 1          # the guest has just worked
RESET = 2           # QEMU has just said that it was reset
GONE = 3            # QEMU has ended, or was killed, with the vDPA device
UNPLUGGED = 4       # the vDPA device was unplugged
VFIO_GONE = 5       # QEMU was killed, with the NVMe and the NIC
