const NAME = "corral.device.engine";

/** Which tab holds the model: the one that has the lock. The browser gives it on when that tab closes, however it ends. */
export class Leadership {
  private give: (() => void) | null = null;
  private closed = false;

  constructor(
    private readonly locks: LockManager,
    private readonly won: () => void,
    private readonly lost: () => void,
    private readonly name = NAME,
  ) {
    void this.queue({});
  }

  /** Takes the lock from a tab that does not answer any more. */
  steal(): void {
    if (!this.give && !this.closed) void this.queue({ steal: true });
  }

  close(): void {
    this.closed = true;
    this.give?.();
  }

  private async queue(options: LockOptions): Promise<void> {
    let led = false;
    try {
      await this.locks.request(this.name, options, () => {
        // A stolen lock is ours already when the place in the queue comes up, and after `close` nobody wants it.
        if (this.give || this.closed) return undefined;
        led = true;
        return new Promise<void>((resolve) => {
          this.give = resolve;
          this.won();
        });
      });
    } catch {
      // Taken away from us, or never to be had.
    }
    if (!led) return;
    this.give = null;
    this.lost();
    if (!this.closed) void this.queue({});
  }
}
