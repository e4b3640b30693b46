/** Milliseconds that pieces of text are gathered: a screen shows no more, and the page is woken seldom. */
const PAUSE = 40;
const LENGTH = 4_096;

/** Gathers pieces of an answer; the first goes out at once. */
export class Batcher {
  private text = "";
  private tokens = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private begun = false;

  constructor(private readonly send: (text: string, tokens: number) => void) {}

  add(text: string, tokens: number): void {
    this.text += text;
    this.tokens += tokens;
    if (!this.begun || this.text.length >= LENGTH) {
      this.begun = true;
      this.flush();
    } else {
      this.timer ??= setTimeout(() => this.flush(), PAUSE);
    }
  }

  /** Sends what is left; to be called at the end, also of a failed answer. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.text) return;
    const { text, tokens } = this;
    this.text = "";
    this.tokens = 0;
    this.send(text, tokens);
  }
}
