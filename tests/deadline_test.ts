import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { currentSignal, withDeadline } from "../supabase/functions/get-sync-status/deadline.ts";
import { test } from "./support/helpers.ts";

/** Starts a task that ends when the test says so, or with its signal. */
function start(client = new AbortController().signal) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const task = { signal: new AbortController().signal, finish: resolve, done: promise };
  task.done = withDeadline(client, async () => {
    await Promise.resolve();
    task.signal = currentSignal() ?? assert.fail("there is no signal");
    task.signal.throwIfAborted();
    task.signal.addEventListener("abort", () => reject(task.signal.reason));
    return await promise;
  });
  return task;
}

test("withDeadline aborts its signal after 8 seconds or when the task is done, and leaves no timer behind", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const late = start();
    late.done.catch(() => {});
    await clock.tickAsync(7_999);
    assert.equal(late.signal.aborted, false);
    await clock.tickAsync(1);
    assert.equal(late.signal.reason.name, "TimeoutError");
    assert.equal(clock.countTimers(), 0, "after the deadline");

    const quick = start();
    quick.finish("done");
    assert.equal(await quick.done, "done");
    assert.equal(quick.signal.aborted, true);
    assert.equal(clock.countTimers(), 0, "after the task");
  } finally {
    clock.uninstall();
  }
});

test("withDeadline aborts its signal when the client is gone, with the client's reason", async () => {
  const client = new AbortController();
  const { done } = start(client.signal);
  client.abort(new Error("gone"));
  await assert.rejects(done, /gone/);
  await assert.rejects(start(client.signal).done, /gone/, "gone before the task began");
});
