import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { currentSignal, withDeadline } from "../supabase/functions/get-sync-status/deadline.ts";
import { test } from "./support/helpers.ts";

const client = new AbortController().signal;

test("withDeadline ends its signal after 8 seconds or with the task, and leaves no timer", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    let signal = client;
    const late = withDeadline(client, () => {
      signal = currentSignal() ?? assert.fail("there is no signal");
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const rejected = assert.rejects(late, { name: "TimeoutError" });
    await clock.tickAsync(7_999);
    assert.equal(signal.aborted, false);
    await clock.tickAsync(1);
    await rejected;
    assert.equal(clock.countTimers(), 0, "after the deadline");

    const ended = await withDeadline(client, () => Promise.resolve(currentSignal()));
    assert.equal(ended?.aborted, true);
    assert.equal(clock.countTimers(), 0, "after the task");
  } finally {
    clock.uninstall();
  }
});

test("withDeadline ends its signal at once if the client is gone before", async () => {
  const gone = AbortSignal.abort(new Error("gone"));
  const task = () => Promise.resolve(currentSignal()?.throwIfAborted());
  await assert.rejects(withDeadline(gone, task), /gone/);
});
