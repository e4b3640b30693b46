/** One piece of a stream that stands for itself: an event with its name, a line of JSON, or a comment that keeps a connection. */
export interface Frame {
  kind: "event" | "comment";
  name: string | null;
  data: string;
}

/** A piece longer than this many characters is given up: whoever sends it without an end is not sending events. */
export const MAX_FRAME = 16_000_000;

/** Cuts a stream's text, which may come in any pieces, into whole frames. */
export interface Framing {
  /** The frames that `text` completes. Throws for a piece without end. */
  push(text: string): Frame[];
  /** The stream has ended: a line of JSON without its end counts, an event without its end does not. */
  end(): Frame[];
}

/** Frames of `text/event-stream`, as the HTML standard says it: lines end with CR, LF or both, events with an empty line. */
class ServerSentEvents implements Framing {
  private rest = "";
  private name: string | null = null;
  private data: string[] = [];
  private size = 0;
  private half = "";
  private begun = false;

  constructor(private readonly longest: number) {}

  push(text: string): Frame[] {
    const found: Frame[] = [];
    // Only what is new is searched; what waits has no end of a line, or is a CR that may be half of a CRLF.
    let fresh = this.half + (this.begun || !text.startsWith("\ufeff") ? text : text.slice(1));
    if (text !== "") this.begun = true;
    this.half = fresh.endsWith("\r") ? "\r" : "";
    if (this.half) fresh = fresh.slice(0, -1);
    let from = 0;
    for (const { index, 0: end } of fresh.matchAll(/\r\n|\r|\n/g)) {
      this.line(this.rest + fresh.slice(from, index), found);
      this.rest = "";
      from = index + end.length;
    }
    this.rest += fresh.slice(from);
    if (this.rest.length + this.size > this.longest) throw new Error("The stream has an event without end.");
    return found;
  }

  end(): Frame[] {
    return this.half ? this.push("\n") : [];
  }

  private line(line: string, found: Frame[]): void {
    if (line === "") {
      if (this.data.length > 0) found.push({ kind: "event", name: this.name, data: this.data.join("\n") });
      this.name = null;
      this.data = [];
      this.size = 0;
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) {
      found.push({ kind: "comment", name: null, data: line.slice(1).trimStart() });
      return;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? "" : line.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    if (field === "event") this.name = value;
    if (field === "data") {
      this.data.push(value);
      this.size += value.length;
    }
  }
}

/** Frames of `application/x-ndjson`: one value of JSON in each line. */
class Lines implements Framing {
  private rest = "";

  constructor(private readonly longest: number) {}

  push(text: string): Frame[] {
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    if (lines.length > 0) {
      lines[0] = this.rest + lines[0];
      this.rest = "";
    }
    this.rest += last;
    if (this.rest.length > this.longest) throw new Error("The stream has a line without end.");
    return lines
      .map((line) => line.trim())
      .filter(Boolean)
      .map(frame);
  }

  end(): Frame[] {
    const last = this.rest.trim();
    this.rest = "";
    return last === "" ? [] : [frame(last)];
  }
}

const frame = (data: string): Frame => ({ kind: "event", name: null, data });

/** What cuts a stream of this media type into frames of at most `longest` characters, null when it is no stream. */
export function framing(mediaType: string, longest = MAX_FRAME): Framing | null {
  if (mediaType.includes("text/event-stream")) return new ServerSentEvents(longest);
  return mediaType.includes("ndjson") ? new Lines(longest) : null;
}
