const END = /[.!?。！？…]["'”’)\]]*(?=\s|$)|\n/g;

/** The whole sentences of `text` after place `from`, for reading aloud, and the place after them. */
export function nextSentences(text: string, from: number, ended: boolean): { words: string; upTo: number } {
  let upTo = from;
  if (ended) upTo = text.length;
  else {
    END.lastIndex = from;
    for (let found = END.exec(text); found; found = END.exec(text)) {
      const after = found.index + found[0].length;
      // A full stop at the very end may be the middle of a number or a word that still comes.
      if (after < text.length) upTo = after;
    }
  }
  return { words: plain(text.slice(from, upTo)), upTo };
}

function plain(markdown: string): string {
  return markdown
    .replace(/```[^\n]*|[*_`#>|]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
