/** Preloaded, ends a process with the one that started it, which holds the other end of stdin. */

// Not before the main module has been loaded: Deno waits for whatever a preloaded one has begun.
addEventListener("load", async () => {
  for await (const _ of Deno.stdin.readable);
  Deno.exit();
});
