// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { BlockSplitter } from "./blocks";
import { renderMarkdown } from "./render";

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)></svg>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "![x](https://evil.example/pixel.png)",
  '![x](https://evil.example/" onerror="alert(1))',
  "<iframe src=https://evil.example></iframe>",
  "<style>body{background:url(https://evil.example)}</style>",
  "<link rel=stylesheet href=https://evil.example>",
  "<form action=https://evil.example><input></form>",
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  "```js\n</code></pre><script>alert(1)</script>\n```",
  "$<img src=x onerror=alert(1)>$",
  "$$\n\\href{javascript:alert(1)}{x}<script>alert(1)</script>\n$$",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  '<a href="https://x" onclick="alert(1)" style="position:fixed">x</a>',
  "<video src=https://evil.example autoplay></video>",
  "<base href=https://evil.example>",
  "[x](vbscript:msgbox(1))",
  "<https://ok.example/?a=<script>>",
];

describe("renderMarkdown", () => {
  it.each(HOSTILE)("makes %s harmless", (source) => {
    const box = document.createElement("div");
    box.innerHTML = renderMarkdown(source);
    expect(box.querySelector("script,img,svg,iframe,style,link,form,input,math,video,base,object,embed")).toBeNull();
    for (const element of box.querySelectorAll("*")) {
      for (const attribute of element.attributes) {
        expect(attribute.name).not.toMatch(/^on|^style$|^src/);
        if (attribute.name === "href") expect(attribute.value).toMatch(/^(https?:|mailto:|#)/i);
      }
    }
  });

  it("keeps code, tables and math", () => {
    const html = renderMarkdown(
      "```python\nprint('é')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$x^2$ costs $5 or $6",
    );
    expect(html).toContain('data-lang="python"');
    expect(html).toContain("<table>");
    expect(html.match(/data-math/g)).toHaveLength(1);
  });

  it("opens links in a new tab without an opener", () => {
    expect(renderMarkdown("[a](https://a.example)")).toContain('target="_blank" rel="noopener noreferrer nofollow"');
  });
});

describe("BlockSplitter", () => {
  const text = "# Title\n\nOne é 漢 🦙\n\n- a\n- b\n\n- c\n\n```js\nlet a = 1;\n\nlet b;\n```\n\nEnd";

  it("gives the same blocks however the text grows, and never changes a finished one", () => {
    const whole = new BlockSplitter().split(text).blocks.map((block) => block.trim());
    for (const step of [1, 3, 7]) {
      const splitter = new BlockSplitter();
      let finished: string[] = [];
      for (let end = 0; end < text.length; end += step) {
        const cut = splitter.split(text.slice(0, end));
        expect(cut.blocks.slice(0, finished.length)).toEqual(finished);
        finished = cut.blocks.slice(0, cut.finished);
      }
      expect(splitter.split(text).blocks.map((block) => block.trim())).toEqual(whole);
    }
  });

  it("begins anew when the text is another one", () => {
    const splitter = new BlockSplitter();
    splitter.split("a\n\nb\n\nc");
    expect(splitter.split("other").blocks).toEqual(["other"]);
  });
});
