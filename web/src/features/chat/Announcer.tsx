import { useEffect, useRef, useState } from "react";
import { nextSentences } from "../../engine/speech";

const EVERY = 2_000;

/** Reads a growing answer aloud by whole sentences, for screen readers; what was there before is not read. */
export function Announcer({ text, live }: { text: string; live: boolean }) {
  const now = useRef(text);
  now.current = text;
  const upTo = useRef(text.length);
  const [words, setWords] = useState("");
  useEffect(() => {
    const speak = (ended: boolean) => {
      const next = nextSentences(now.current, upTo.current, ended);
      upTo.current = next.upTo;
      if (next.words) setWords(next.words);
    };
    if (!live) {
      speak(true);
      return;
    }
    const timer = setInterval(() => speak(false), EVERY);
    return () => clearInterval(timer);
  }, [live]);
  return (
    <div className="unseen" aria-live="polite" data-testid="announcer">
      {words}
    </div>
  );
}
