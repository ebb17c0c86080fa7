// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a client is noted as tried when the irqchip was not asked about it
// Places: 2

@@
@@
 slot_try(...)
 {
 <...
+client->tried = released;
 if (ret == -EAGAIN)
 	return ret;
-client->tried = released;
 ...>
 }
