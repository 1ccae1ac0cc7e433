/** How long an answer may take, in milliseconds. The function answers within 10 s. */
const LIMIT = 15_000;

/**
 * Runs a task, and rejects once 15 s have passed or `signal` is aborted. The task's own signal is aborted then.
 *
 * Made by hand: React Native has no `AbortSignal.any`, `AbortSignal.timeout` or `throwIfAborted`.
 */
export async function inTime<Result>(
  signal: AbortSignal | null | undefined,
  task: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (signal?.aborted) throw new Error("aborted");
  const own = new AbortController();
  let stop = () => own.abort();
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      own.abort();
      reject(new Error("aborted, or no answer in time"));
    };
  });
  const timer = setTimeout(stop, LIMIT);
  signal?.addEventListener("abort", stop);
  try {
    return await Promise.race([task(own.signal), stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
