/**
 * Preloaded into a process, keeps it from outliving the one that started it:
 * that one holds the other end of stdin, and closes it by ending, however it ends.
 *
 * @module
 */

// Not before the main module has been loaded: Deno waits for whatever a preloaded one has begun.
addEventListener("load", async () => {
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
});
