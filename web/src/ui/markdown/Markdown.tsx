import { memo, useEffect, useMemo, useRef, useState } from "react";
import { BlockSplitter } from "./blocks";
import { enhance } from "./enhance";
import { renderMarkdown } from "./render";

const Block = memo(function Block({ source, frozen }: { source: string; frozen: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  const html = useMemo(() => ({ __html: renderMarkdown(source) }), [source]);
  useEffect(() => {
    if (frozen && ref.current) void enhance(ref.current);
  }, [frozen]);
  // biome-ignore lint/security/noDangerouslySetInnerHtml: renderMarkdown sanitises; render.test.ts holds it to that
  return <div ref={ref} dangerouslySetInnerHTML={html} />;
});

function copy(event: React.MouseEvent<HTMLDivElement>): void {
  const button = (event.target as HTMLElement).closest<HTMLElement>("[data-copy]");
  const code = button?.closest(".code")?.querySelector("code");
  if (!button || !code) return;
  void navigator.clipboard?.writeText(code.textContent).then(() => {
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1_500);
  });
}

/** Markdown that may still grow; finished blocks are not touched again. */
export function Markdown({ text, live }: { text: string; live: boolean }) {
  const [splitter] = useState(() => new BlockSplitter());
  const { blocks, finished } = useMemo(() => splitter.split(text), [splitter, text]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: delegates the clicks of the copy buttons inside
    // biome-ignore lint/a11y/useKeyWithClickEvents: the buttons themselves are reached by keyboard
    <div className="markdown" onClick={copy}>
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever appended
        <Block key={index} source={block} frozen={!live || index < finished} />
      ))}
    </div>
  );
}
