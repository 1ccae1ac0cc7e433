import { KEY, startFakeUpstream } from "../../local/fake_upstream.ts";
import { startFunction } from "../../local/function_process.ts";

/** Starts the function on a fake upstream; both end with the tests of the file. */
export async function startFunctionOnFake() {
  const upstream = await startFakeUpstream();
  const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });
  Deno.test.afterAll(async () => {
    await fn.stop();
    await upstream.stop();
  });
  return { upstream, fn };
}
