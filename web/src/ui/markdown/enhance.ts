/** Colours code and sets math in a finished block; the parts for it are loaded on first need. */
export async function enhance(block: HTMLElement): Promise<void> {
  const codes = [...block.querySelectorAll<HTMLElement>("code[data-lang]")].filter((code) => code.dataset.lang);
  const maths = [...block.querySelectorAll<HTMLElement>("[data-math]")];
  if (codes.length > 0) {
    const { default: highlighter } = await import("highlight.js/lib/common");
    for (const code of codes) {
      const language = code.dataset.lang ?? "";
      if (!highlighter.getLanguage(language) || code.dataset.done) continue;
      code.innerHTML = highlighter.highlight(code.textContent, { language, ignoreIllegals: true }).value;
      code.dataset.done = "1";
    }
  }
  if (maths.length > 0) {
    const [{ default: katex }] = await Promise.all([import("katex"), import("katex/dist/katex.min.css")]);
    for (const math of maths) {
      if (math.dataset.done) continue;
      katex.render(math.textContent, math, {
        displayMode: math.dataset.math === "block",
        throwOnError: false,
        trust: false,
        // What a model writes is no reason for a warning in the console.
        strict: "ignore",
        maxExpand: 200,
      });
      math.dataset.done = "1";
    }
  }
}
