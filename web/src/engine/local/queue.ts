import { failure } from "./errors";

/** One piece of work after the other, at most `limit` waiting. */
export class Queue {
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(private readonly limit: number) {}

  /** Runs `work` when its turn comes. Raises LocalError `device_queue_full`. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.waiting >= this.limit) {
      return Promise.reject(failure("device_queue_full", `${this.limit} requests wait for the model already.`, true));
    }
    this.waiting += 1;
    const turn = this.tail.then(() => {
      this.waiting -= 1;
      return work();
    });
    this.tail = turn.catch(() => undefined);
    return turn;
  }
}
