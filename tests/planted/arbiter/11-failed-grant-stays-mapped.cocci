// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a mapping that the irqchip turned down stays in the book

@@
@@
 broker_gate_done(...)
 {
 <...
-drop_mapping(client);
 ...>
 }
