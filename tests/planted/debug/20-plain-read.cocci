// SPDX-License-Identifier: GPL-2.0-only
// Breaks: a dump reads how many signals there were as if no signal came meanwhile
// Hazard: KCSAN
// Kernel: 7.3
// Lab: --flavour kcsan --timeout 3000
// Red: storm
// Why-red: log
// Says: BUG: KCSAN: data-race in .*\[vlpi_broker\]

@@
@@
 client_show(...)
 {
 <...
(
-atomic64_read(&client->signals)
+client->signals.counter
|
-atomic64_read(&client->injections)
+client->injections.counter
)
 ...>
 }
