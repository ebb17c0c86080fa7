// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a host IRQ stays in the ledger when its producer has gone

@@
@@
 ledger_unbook(...)
 {
 <...
-if (client->booked)
-	hash_del(&client->by_irq);
-client->booked = false;
 ...>
 }
