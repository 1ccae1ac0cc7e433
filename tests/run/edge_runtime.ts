/** Removes what the edge runtime (https://github.com/supabase/edge-runtime) removes; runs before the function. */

const { exit, serve } = Deno;

// In the edge runtime these are mocks that do nothing.
for (const name of ["exit", "kill", "addSignalListener", "removeSignalListener"]) {
  Object.defineProperty(Deno, name, { value: () => {} });
}
Object.defineProperty(Deno, "args", { value: [] });

// Deno learned DENO_SERVE_ADDRESS only later.
Object.defineProperty(Deno, "serve", {
  value: (handler: Deno.ServeHandler) => serve({ hostname: "127.0.0.1", port: 0 }, handler),
});

// The process that started this one holds the other end.
addEventListener("load", async () => {
  for await (const _ of Deno.stdin.readable);
  exit();
});
