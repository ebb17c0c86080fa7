// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client that was turned down is tried again at each look, though nothing was released

@@
@@
 take_place(...)
 {
 <...
-client->state == VLPI_BROKER_UNMAPPABLE && !client->retry
+false
 ...>
 }
