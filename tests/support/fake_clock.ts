/**
 * Time that passes only when a test lets it, for the client of the examples.
 *
 * @module
 */

import FakeTimers, { type Clock } from "@sinonjs/fake-timers";

/** The same numbers between 0 and 1 each time (a linear congruential generator). */
function repeatable(): () => number {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Runs a task on a clock that stands still at `now`, in milliseconds since 1970, where chance repeats itself. */
export async function onFakeClock(now: number, task: (clock: Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({
    now,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  const { timeout } = AbortSignal;
  const { random } = Math;
  Math.random = repeatable();
  AbortSignal.timeout = (ms) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("Signal timed out.", "TimeoutError")), ms);
    return controller.signal;
  };
  try {
    await task(clock);
  } finally {
    AbortSignal.timeout = timeout;
    Math.random = random;
    clock.uninstall();
  }
}
