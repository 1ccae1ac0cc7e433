/**
 * What get-sync-status imports, and a constant answer: the least that a cold
 * start of it can take.
 *
 * @module
 */

import "node:async_hooks";
import "@supabase/supabase-js";
import "@supabase/supabase-js/cors";
import "zod/mini";

Deno.serve(() => Response.json({ active: false, recent_job: null }));
