// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a mapping that the irqchip turned down stays in the ledger

@@
@@
 broker_gate_failed(...)
 {
 <...
-if (client && client->granting)
-	ledger_drop_mapping(client);
 ...>
 }
