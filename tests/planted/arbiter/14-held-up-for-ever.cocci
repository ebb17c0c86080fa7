// SPDX-License-Identifier: GPL-2.0-only
// Breaks: what waits for an unmapping stays held up when that has ended

@@
@@
 end_unmapping(...)
 {
 <...
-let_rest_go_on(slot->vm);
 ...>
 }
