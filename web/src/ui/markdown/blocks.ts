import { marked } from "marked";

/** Cuts growing markdown into blocks; finished blocks are kept as they are and never parsed again. */
export class BlockSplitter {
  private source = "";
  private finished: string[] = [];
  private finishedLength = 0;

  /** The blocks of `text`; only what follows the finished ones is parsed when `text` has grown. */
  split(text: string): { blocks: string[]; finished: number } {
    if (!text.startsWith(this.source)) {
      this.finished = [];
      this.finishedLength = 0;
    }
    this.source = text;
    const raws = marked.lexer(text.slice(this.finishedLength)).map((token) => ({ raw: token.raw, type: token.type }));
    let last = raws.length - 1;
    while (last > 0 && raws[last]?.type === "space") last -= 1;
    const done = raws.slice(0, Math.max(last, 0));
    const length = done.reduce((sum, block) => sum + block.raw.length, 0);
    const tail = text.slice(this.finishedLength + length);
    // The lexer normalises line ends, so lengths can differ from the source: then nothing is frozen.
    if (done.map((block) => block.raw).join("") === text.slice(this.finishedLength, this.finishedLength + length)) {
      this.finished = [...this.finished, ...done.filter((block) => block.type !== "space").map((block) => block.raw)];
      this.finishedLength += length;
    } else {
      return { blocks: [...this.finished, text.slice(this.finishedLength)], finished: this.finished.length };
    }
    return {
      blocks: tail === "" ? this.finished : [...this.finished, tail],
      finished: this.finished.length,
    };
  }
}
