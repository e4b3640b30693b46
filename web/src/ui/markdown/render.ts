import DOMPurify from "dompurify";
import { Marked, type TokenizerAndRendererExtension } from "marked";

const TAGS =
  "p br hr h1 h2 h3 h4 h5 h6 strong em del a ul ol li blockquote pre code table thead tbody tr th td span div button";
const ATTRIBUTES = ["href", "target", "rel", "class", "align", "type", "data-math", "data-copy", "data-lang", "start"];

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function mathExtension(name: string, level: "block" | "inline", start: RegExp, rule: RegExp) {
  return {
    name,
    level,
    start: (source: string) => {
      const at = source.search(start);
      return at < 0 ? undefined : at;
    },
    tokenizer(source: string) {
      const found = rule.exec(source);
      return found ? { type: name, raw: found[0], tex: (found[1] ?? found[2] ?? "").trim() } : undefined;
    },
    renderer(token: { tex?: string }) {
      const tag = level === "block" ? "div" : "span";
      return `<${tag} class="math" data-math="${level}">${escapeHtml(token.tex ?? "")}</${tag}>`;
    },
  } as TokenizerAndRendererExtension;
}

const parser = new Marked({
  gfm: true,
  extensions: [
    mathExtension("mathBlock", "block", /\$\$|\\\[/, /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])(?:\n|$)/),
    mathExtension("mathInline", "inline", /\$|\\\(/, /^(?:\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\))/),
  ],
  renderer: {
    html: ({ text }) => escapeHtml(text),
    // A picture in an answer could call a foreign host: its address is shown as a link, nothing is loaded.
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }) => {
      const language = escapeHtml((lang ?? "").split(/\s/)[0] ?? "");
      return `<div class="code"><div class="code-head"><span>${language || "text"}</span><button type="button" data-copy="1">Copy</button></div><pre><code data-lang="${language}">${escapeHtml(text)}</code></pre></div>`;
    },
  },
});

/** Markdown as safe HTML: no raw HTML, scripts, styles, forms or foreign requests come through. */
export function renderMarkdown(source: string): string {
  const html = DOMPurify.sanitize(parser.parse(source, { async: false }), {
    ALLOWED_TAGS: TAGS.split(" "),
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ADD_URI_SAFE_ATTR: ATTRIBUTES.filter((name) => name !== "href"),
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  });
  return html.replaceAll("<a href=", '<a target="_blank" rel="noopener noreferrer nofollow" href=');
}
