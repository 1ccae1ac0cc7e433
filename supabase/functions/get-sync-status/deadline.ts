/**
 * One deadline for all upstream requests of a task. Its signal travels by
 * AsyncLocalStorage, because `auth.getUser()` of supabase-js 2.119.1 takes none.
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** For all upstream requests of a poll together, in milliseconds. */
const DEADLINE_MS = 8_000;

/** The message of the error after the deadline. */
export const NO_ANSWER_IN_TIME = "no answer in time";

/** Made once: each task ends with it, and an exception is expensive to make. */
const TASK_IS_DONE = new DOMException("the task is done", "AbortError");

const signals = new AsyncLocalStorage<AbortSignal>();

/** The signal that ends the requests of the task at hand; undefined outside of one. */
export function currentSignal(): AbortSignal | undefined {
  return signals.getStore();
}

/**
 * Runs a task and gives its result. The signal is aborted when the deadline is
 * over, the client is gone, or the task is done: after an early answer other
 * requests may still be under way.
 *
 * @throws what the task throws; from a request `TimeoutError` after the
 * deadline, the reason of `clientGone`, or `AbortError` when the task is done
 */
export async function withDeadline<Result>(
  clientGone: AbortSignal,
  task: () => Promise<Result>,
): Promise<Result> {
  const end = new AbortController();
  const onDeadline = () => end.abort(new DOMException(NO_ANSWER_IN_TIME, "TimeoutError"));
  const onClientGone = () => end.abort(clientGone.reason);
  const timer = setTimeout(onDeadline, DEADLINE_MS);
  if (clientGone.aborted) onClientGone();
  clientGone.addEventListener("abort", onClientGone);
  try {
    return await signals.run(end.signal, task);
  } finally {
    clearTimeout(timer);
    clientGone.removeEventListener("abort", onClientGone);
    end.abort(TASK_IS_DONE);
  }
}
