/** Prints what loading the module that is named costs, in milliseconds. */

const before = performance.now();
await import(Deno.args[0] ?? "");
console.log(performance.now() - before);
