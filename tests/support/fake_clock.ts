/**
 * Time that passes only when a test lets it, for the client of the examples.
 */

import FakeTimers, { type Clock } from "@sinonjs/fake-timers";

/** Runs a task on a clock that stands still at `now`, in milliseconds since 1970; `Math.random` is given back. */
export async function onFakeClock(now: number, task: (clock: Clock) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({
    now,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  const { timeout } = AbortSignal;
  const { random } = Math;
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
